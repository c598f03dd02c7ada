/** The composition root: builds every part, hands each what it needs, and starts and stops them in order. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { logPoint } from '@gantry/plugin-sdk/contracts/log.ts';
import { mountPoint } from '@gantry/plugin-sdk/contracts/mount.ts';
import { runtimePoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { snapshotPoint } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import { volumePoint } from '@gantry/plugin-sdk/contracts/volume.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { ExtensionPoint, Logger } from '@gantry/plugin-sdk/extension-point.ts';
import { isUnifiedCgroup } from '@gantry/plugin-sdk/oci/default-spec.ts';
import { holdFile } from '@gantry/plugin-sdk/system/file-lock.ts';
import { syncMetadata } from '@gantry/plugin-sdk/system/sync.ts';
import { listenAll } from './api/listen.ts';
import { routeTable } from './api/routes/table.ts';
import { ApiServer } from './api/server.ts';
import { NEWEST_API } from './api/version.ts';
import { builtinDrivers, RUNTIMES, SNAPSHOTS } from './builtins.ts';
import { defaultsOf, snapshotDriver } from './config/defaults.ts';
import { bootId, failpointPlan, replayDisabled, syncDisabled } from './config/load.ts';
import type { DaemonOptions } from './config/options/read.ts';
import { Attachments } from './controllers/container/attachments.ts';
import { Containers } from './controllers/container/containers.ts';
import type { ContainerContext } from './controllers/container/context.ts';
import { Copies } from './controllers/container/copies.ts';
import { Execs } from './controllers/container/execs.ts';
import { ContainerFiles } from './controllers/container/files.ts';
import { HealthChecks } from './controllers/container/health.ts';
import { ContainerNames } from './controllers/container/names.ts';
import { Restarts } from './controllers/container/restarts.ts';
import { Waiters } from './controllers/container/waiters.ts';
import { Pulls } from './controllers/image/pull.ts';
import { Pushes } from './controllers/image/push.ts';
import { Registries } from './controllers/image/registries.ts';
import { Images } from './controllers/image.ts';
import { LogDelivery } from './controllers/logs/delivery.ts';
import { StatsSampler } from './controllers/stats/sampler.ts';
import { Volumes } from './controllers/volume/volumes.ts';
import { effectHandlers } from './effects/handlers.ts';
import { wantedEffect } from './effects/wanted.ts';
import type { Engine } from './engine.ts';
import { EventLog } from './events/event-log.ts';
import { DriverHost } from './host/driver-host.ts';
import { IdleCollector } from './idle.ts';
import { Archives } from './images/archives.ts';
import { ContentStore } from './images/content.ts';
import { Downloads } from './images/downloads.ts';
import { LayerExtractor } from './images/extract/extractor.ts';
import { LayerStore } from './images/layer-store.ts';
import type { Metrics } from './metrics/metrics.ts';
import { Database } from './store/database.ts';
import { Failpoints } from './store/failpoints.ts';
import { Locks } from './store/locks.ts';
import { Replay } from './store/replay.ts';
import { Store } from './store/store.ts';
import { VERSION } from './version.ts';

export interface Daemon {
  readonly engine: Engine;
  /** Ends the API and the drivers; containers go on. */
  stop(): Promise<void>;
}

/** Resolves when the API answers. What a crash left of a driver that is away is settled in the background. */
export async function startDaemon(options: DaemonOptions, log: Logger): Promise<Daemon> {
  const stopping = new AbortController();
  await mkdir(options.dataRoot, { recursive: true, mode: 0o711 });
  await mkdir(options.execRoot, { recursive: true, mode: 0o711 });
  holdDataRoot(options.dataRoot);
  const metrics = options.metricsAddress ? await loadMetrics() : undefined;
  const host = new DriverHost({
    points: [
      volumePoint,
      logPoint,
      mountPoint,
      snapshotPoint,
      runtimePoint,
    ] as readonly ExtensionPoint<unknown>[],
    builtins: builtinDrivers(options.runtimes),
    dirs: {
      driver: options.driverSocketDirs,
      socket: options.pluginSocketDirs,
      spec: options.pluginSpecDirs,
    },
    rootDir: path.join(options.dataRoot, 'drivers'),
    stateDir: path.join(options.execRoot, 'drivers'),
    log,
    ...(metrics && { trace: metrics.driverCall }),
  });
  // Each driver is waited for by who needs it; one that nobody has asked for yet keeps nobody.
  const started = host.start();
  const engine = await buildEngine(options, host, log, stopping.signal);
  engine.store.failpoints.arm('recovery');
  if (!replayDisabled()) await recover(engine, host, stopping.signal);

  const rows = routeTable(engine);
  const api = new ApiServer({
    rows: metrics?.timed(rows) ?? rows,
    headers: apiHeaders(),
    log,
    activity: new IdleCollector(),
  });
  const closeMetrics = metrics && (await openMetrics(metrics, engine));
  await listenAll(api, options);
  engine.store.failpoints.arm('api');
  if (!replayDisabled()) engine.containers.beginRestarts();
  if (options.pidfile) await writeFile(options.pidfile, String(process.pid));
  return {
    engine,
    async stop() {
      stopping.abort();
      engine.replay.stop();
      closeMetrics?.();
      await api.close();
      engine.containers.letGo();
      await started;
      await host.stop();
      await engine.events.close();
      await engine.store.close();
      if (options.pidfile) await rm(options.pidfile, { force: true });
    },
  };
}

/** The default log driver's options are checked here, since it is a driver that knows them. */
async function logDelivery(options: DaemonOptions, host: DriverHost, log: Logger): Promise<LogDelivery> {
  const { dataRoot, execRoot } = options;
  const delivery = new LogDelivery({
    drivers: host,
    identity: (plugin) => host.identity(plugin),
    isBuiltin: (driver) => host.isBuiltin(logPoint, driver),
    expect: (plugin) => host.expect(logPoint, plugin),
    onAppear: (plugin, tell) => host.onAppear(plugin, tell),
    log,
    rootDir: path.join(dataRoot, 'containers'),
    fifoDir: path.join(execRoot, 'logging'),
    backlogDir: path.join(dataRoot, 'log-backlog'),
    maxLagBytes: options.logBacklogMax || undefined,
  });
  if (host.isBuiltin(logPoint, options.log.Type)) await delivery.check(options.log, '');
  return delivery;
}

/** Its own file and its library cost a start that nobody wants metrics of nothing. */
async function loadMetrics(): Promise<Metrics> {
  const { Metrics } = await import('./metrics/metrics.ts');
  return Metrics.load();
}

async function openMetrics(metrics: Metrics, engine: Engine): Promise<() => void> {
  const { serveMetrics } = await import('./metrics/serve.ts');
  metrics.describe(engine);
  const { address, close } = await serveMetrics(metrics, engine.options.metricsAddress);
  engine.log.info({ address }, 'metrics are served');
  return close;
}

async function buildEngine(
  options: DaemonOptions,
  host: DriverHost,
  log: Logger,
  stopping: AbortSignal,
): Promise<Engine> {
  const { dataRoot, execRoot } = options;
  // Opened while the drivers start, whose programs are asked for their versions meanwhile.
  const database = new Database(path.join(dataRoot, 'store'), { unsafe: syncDisabled() });
  const runtime = await chooseRuntime(host, options.defaultRuntime);
  const snapshot = await chooseSnapshots(host, snapshotDriver(options.storageDriver));
  const defaults = defaultsOf(options, { runtime, snapshot });
  const snapshots = await host.driver(snapshotPoint, defaults.snapshot);
  const everySnapshots = async (signal: AbortSignal) => {
    const found = await host.everyDriver(snapshotPoint, { signal });
    return found.flatMap(({ driver }) => driver ?? []);
  };
  const content = await ContentStore.open(path.join(dataRoot, 'content'));
  const events = await EventLog.open(path.join(dataRoot, 'events', 'events.jsonl'), log);
  const layers = new LayerStore(snapshots, new LayerExtractor(), everySnapshots);
  const archives = new Archives(content, layers);
  const taskSpecs: ContainerContext['taskSpecs'] = new Map();
  const handlers = effectHandlers({
    drivers: host,
    taskSpec: (id) => {
      const spec = taskSpecs.get(id);
      if (!spec) throw new HostError('Internal', 'INTERNAL', `create task ${id}: nobody has described it`);
      return spec;
    },
    collectImages: (signal) => images.collect(signal),
  });
  const store = new Store(database, handlers, {
    failpoints: new Failpoints(failpointPlan()),
    boot: bootId(),
    syncMetadata: () => syncMetadata(dataRoot),
  });
  const locks = new Locks();
  const replay = new Replay({
    store,
    locks,
    wanted: (held) => wantedEffect(store, held),
    onAppear: (driver, tell) => host.onAppear(driver, tell),
    log,
  });
  const registries = new Registries(defaults, VERSION);
  const downloads = new Downloads(
    content,
    () => defaults.registries.concurrentDownloads || Number.MAX_SAFE_INTEGER,
  );
  const images = new Images(store, locks, archives, events);
  const volumes = new Volumes(store, locks, host, replay, events);
  const ctx: ContainerContext = {
    store,
    locks,
    drivers: host,
    volumes,
    images,
    events,
    log,
    taskSpecs,
    stopping,
    defaults,
    names: new ContainerNames(store),
    waiters: new Waiters(),
    health: new HealthChecks(),
    restarts: new Restarts((driver, tell) => host.onAppear(driver, tell), log, stopping),
    attachments: new Attachments(),
    copies: new Copies(),
    logs: await logDelivery(options, host, log),
    rootDir: path.join(dataRoot, 'containers'),
    stateDir: path.join(execRoot, 'containers'),
    rmStateDir: removeIfEmpty,
  };
  return {
    version: VERSION,
    id: await daemonId(dataRoot),
    host,
    store,
    locks,
    replay,
    content,
    containers: new Containers(ctx),
    execs: new Execs(ctx),
    stats: new StatsSampler(store, host),
    files: new ContainerFiles(ctx),
    images,
    pulls: new Pulls({ images, registries, downloads, content, events }),
    pushes: new Pushes({ images, registries, content, events }),
    registries,
    volumes,
    events,
    log,
    options,
    defaults,
    dirs: { data: dataRoot, exec: execRoot },
    cgroupVersion: isUnifiedCgroup() ? '2' : '1',
    operatingSystem: operatingSystem(),
    runtimeVersion: async () =>
      (await host.driver(runtimePoint, defaults.runtime)).version({}, { signal: AbortSignal.timeout(5_000) }),
  };
}

/**
 * Tasks first, so that every record says what is true before anybody asks. Left-overs of drivers that answer at once
 * are settled too; the rest holds only the keys of its own objects.
 */
async function recover(engine: Engine, host: DriverHost, signal: AbortSignal): Promise<void> {
  for (const { driver } of engine.store.records.all('volume')) host.expect(volumePoint, driver);
  for (const { runtime } of engine.store.records.all('container')) host.expect(runtimePoint, runtime);
  if (await isNewBoot(engine)) {
    await engine.replay.restoreAll(signal);
    await writeFile(path.join(engine.dirs.data, 'boot-id'), engine.store.boot);
  }
  await engine.containers.adopt();
  const settled = engine.replay.settleAll(signal);
  await Promise.race([settled, new Promise((resolve) => setTimeout(resolve, LEFT_OVERS_MS))]);
}

/**
 * Whether the machine was restarted, or lost its power, since a recovery was last completed. The note of that need not be
 * durable: to restore once more than needed does no harm.
 */
async function isNewBoot({ dirs, store }: Engine): Promise<boolean> {
  const last = await readFile(path.join(dirs.data, 'boot-id'), 'utf8').catch(() => '');
  return last !== store.boot;
}

const LEFT_OVERS_MS = 100;

/** Two daemons on one set of books would each undo what the other makes. */
function holdDataRoot(dataRoot: string): void {
  if (holdFile(path.join(dataRoot, 'lock'))) return;
  throw new HostError(
    'FailedPrecondition',
    'DATA_ROOT_IN_USE',
    `open ${dataRoot}: another daemon works on it`,
    {
      hint: 'stop that one, or give another --data-root',
    },
  );
}

/** The wanted runtime, else the first that can run here; containers say which one they were made with. */
async function chooseRuntime(host: DriverHost, wanted: string): Promise<string> {
  if (wanted) {
    await host.driver(runtimePoint, wanted);
    return wanted;
  }
  for (const name of RUNTIMES) {
    const found = await host.driver(runtimePoint, name).catch(() => undefined);
    if (found) return name;
  }
  return RUNTIMES.at(-1) ?? '';
}

/** The wanted snapshot driver, else the first that can work here; containers say which one they were made with. */
async function chooseSnapshots(host: DriverHost, wanted: string): Promise<string> {
  if (wanted) {
    await host.driver(snapshotPoint, wanted);
    return wanted;
  }
  for (const name of SNAPSHOTS) {
    const found = await host.driver(snapshotPoint, name).catch(() => undefined);
    if (found) return name;
  }
  return SNAPSHOTS.at(-1) ?? '';
}

async function daemonId(dataRoot: string): Promise<string> {
  const file = path.join(dataRoot, 'engine-id');
  const known = await readFile(file, 'utf8').catch(() => '');
  if (known) return known.trim();
  const id = randomUUID();
  await writeFile(file, `${id}\n`, { flush: true });
  return id;
}

function operatingSystem(): string {
  try {
    return /^PRETTY_NAME="?(.*?)"?$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
  } catch {
    return 'Linux';
  }
}

function apiHeaders(): Readonly<Record<string, string>> {
  return {
    'Api-Version': NEWEST_API,
    'Docker-Experimental': 'false',
    Ostype: 'linux',
    Swarm: 'inactive',
    Server: `Gantry/${VERSION} (linux)`,
  };
}

/** What a failed release left inside stays, and so does the directory. */
async function removeIfEmpty(dir: string): Promise<void> {
  await rmdir(dir).catch(() => {});
}
