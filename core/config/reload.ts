/** SIGHUP: reads the configuration again, takes what may change while the daemon runs, and names what waits for a restart. */
import { hostname } from 'node:os';
import { logPoint } from '@gantry/plugin-sdk/contracts/log.ts';
import { runtimePoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import type { DriverModule } from '@gantry/plugin-sdk/extension-point.ts';
import type { Engine } from '../engine.ts';
import type { DaemonLogger } from '../log.ts';
import type { ServiceManager } from '../service-manager.ts';
import { defaultsOf } from './defaults.ts';
import type { Option } from './options/option.ts';
import { type DaemonOptions, parseDaemonArgs } from './options/read.ts';
import { OPTIONS } from './options/table.ts';

export interface ReloadParts {
  /** The flags that the daemon was started with: they hold for its life. */
  readonly args: readonly string[];
  readonly engine: Engine;
  readonly log: DaemonLogger;
  readonly manager: ServiceManager;
  /** A driver for one of the operator's runtimes. */
  readonly runtimeDriver: (name: string, program: DaemonOptions['runtimes'][string]) => DriverModule<unknown>;
}

export class Reload {
  readonly #parts: ReloadParts;
  #last: Promise<void> = Promise.resolve();

  constructor(parts: ReloadParts) {
    this.#parts = parts;
  }

  /** One at a time. Never rejects: a configuration with a fault is logged, and the old one holds. */
  run(): Promise<void> {
    const { log, manager } = this.#parts;
    this.#last = this.#last
      .then(() => manager.reloading())
      .then(() => this.#reload())
      .catch((error: unknown) => log.error({ error }, 'configuration not reloaded: the old one holds'))
      .then(() => manager.ready('serves'));
    return this.#last;
  }

  async #reload(): Promise<void> {
    const { args, engine, log } = this.#parts;
    const { options: next } = parseDaemonArgs(args);
    if (next === undefined) return;
    const runtimes = await this.#addRuntimes(next);
    // Before anything changes: containers would be made with a runtime that is not there.
    if (next.defaultRuntime) await engine.host.driver(runtimePoint, next.defaultRuntime);
    if (engine.host.isBuiltin(logPoint, next.log.Type)) await engine.containers.checkLog(next.log);
    const changed = changedOptions(engine.options, { ...next, runtimes });
    for (const warning of next.warnings) log.warn({}, warning);
    for (const { key, reloadable } of changed) {
      if (!reloadable) log.warn({ option: key }, 'option changed: a restart of the daemon will take it');
    }
    apply(engine, next, runtimes);
    log.level = engine.options.logLevel;
    const taken = changed.filter(({ reloadable }) => reloadable).map(({ key }) => key);
    log.info({ changed: taken }, 'configuration reloaded');
    engine.events.emit('daemon', 'reload', engine.id, attributesOf(engine.options));
  }

  /** Running containers hold on to their runtime's driver, so that one is neither changed nor taken away. */
  async #addRuntimes(next: DaemonOptions): Promise<DaemonOptions['runtimes']> {
    const { engine, log, runtimeDriver } = this.#parts;
    const runtimes = { ...engine.options.runtimes };
    for (const [name, program] of Object.entries(next.runtimes)) {
      const known = engine.host.list().some((row) => row.point === runtimePoint.word && row.name === name);
      if (!known) {
        await engine.host.add(runtimeDriver(name, program));
        runtimes[name] = program;
      } else if (!same(runtimes[name], program)) {
        log.warn({ runtime: name }, 'runtime changed: a restart of the daemon will take it');
      }
    }
    for (const name of Object.keys(runtimes).filter((one) => !Object.hasOwn(next.runtimes, one))) {
      log.warn({ runtime: name }, 'runtime removed: it stays until a restart of the daemon');
    }
    return runtimes;
  }
}

type OptionName = keyof typeof OPTIONS;

function changedOptions(now: DaemonOptions, next: DaemonOptions): readonly Option<unknown>[] {
  const rows = Object.entries(OPTIONS) as [OptionName, Option<unknown>][];
  const ofLog = now.log.Type !== next.log.Type ? [OPTIONS.logDriver] : [];
  const ofLogOptions = same(now.log.Config, next.log.Config) ? [] : [OPTIONS.logOpts];
  const plain = rows.filter(([name]) => !same(Reflect.get(now, name), Reflect.get(next, name)));
  return [...plain.map(([, row]) => row), ...ofLog, ...ofLogOptions] as readonly Option<unknown>[];
}

function apply(
  { options, defaults }: Engine,
  next: DaemonOptions,
  runtimes: DaemonOptions['runtimes'],
): void {
  const rows = Object.entries(OPTIONS) as [OptionName, Option<unknown>][];
  const names = rows.filter(([, { reloadable }]) => reloadable).map(([name]) => name);
  const taken = Object.fromEntries(names.map((name) => [name, Reflect.get(next, name)]));
  for (const gone of ['logDriver', 'logOpts']) delete taken[gone];
  Object.assign(options, taken, { runtimes, log: next.log, warnings: next.warnings });
  const { runtime, snapshot } = defaults;
  Object.assign(defaults, defaultsOf(options, { runtime: next.defaultRuntime || runtime, snapshot }));
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** What Docker's event says. */
function attributesOf(options: DaemonOptions): Readonly<Record<string, string>> {
  const shown = {
    debug: options.debug,
    'default-ipc-mode': options.defaultIpcMode,
    'default-runtime': options.defaultRuntime,
    'default-shm-size': options.defaultShmSize,
    'insecure-registries': options.insecureRegistries,
    labels: options.labels,
    'live-restore': true,
    'max-concurrent-downloads': options.maxConcurrentDownloads,
    'max-concurrent-uploads': options.maxConcurrentUploads,
    'max-download-attempts': options.maxDownloadAttempts,
    'registry-mirrors': options.registryMirrors,
    runtimes: Object.keys(options.runtimes),
    'shutdown-timeout': options.shutdownTimeout,
  };
  const texts = Object.entries(shown).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  return { ...Object.fromEntries(texts), name: hostname() };
}
