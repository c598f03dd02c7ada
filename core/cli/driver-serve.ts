/** `gantry driver serve NAME`: a built-in driver in a process of its own, for Gantry and for Docker Engine. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { type LogDriver, logPoint } from '@gantry/plugin-sdk/contracts/log.ts';
import type { VolumeDriver } from '@gantry/plugin-sdk/contracts/volume.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { CallContext, DriverModule, Logger } from '@gantry/plugin-sdk/extension-point.ts';
import { type Served, serve } from '@gantry/plugin-sdk/serve.ts';
import { holdFile } from '@gantry/plugin-sdk/system/file-lock.ts';
import { syncMetadata } from '@gantry/plugin-sdk/system/sync.ts';
import { translationsOf } from '@gantry/plugin-sdk/wire/point-translations.ts';
import { builtinDrivers, builtinManifests } from '../builtins.ts';
import { BuiltinDriver } from '../host/builtin-driver.ts';
import { nearNames } from '../host/near-names.ts';
import { createLogger } from '../log.ts';
import { VERSION } from '../version.ts';
import type { Run } from './command.ts';

const STOP_MS = 5_000;

export const run: Run = async ({ operands: [name = ''], values, print, complain }) => {
  const modules = modulesOf(name);
  const { root = '/var/lib/gantry/served', state = '/run/gantry/served' } = values as Record<string, string>;
  const socket = path.resolve(values.socket as string);
  mkdirSync(root, { recursive: true, mode: 0o711 });
  holdRoot(path.resolve(root), name);

  // Until it is served there is nobody to hear it but who reads stderr.
  let served: Served | undefined;
  const own = createLogger({ level: 'info', format: 'text' }, (line) => void complain(line));
  const log = both(own, () => served?.log);
  const driver = await firstThatStarts(modules, path.resolve(root), path.resolve(state), log);
  const { point } = driver.module;
  const dir = path.join(path.resolve(root), `${point.word}-${driver.module.name}`);
  const wire =
    (values.wire as 'docker' | 'json-rpc' | undefined) ??
    (translationsOf(point).size > 0 ? 'docker' : 'json-rpc');
  const stop = untilSignal();
  try {
    const options = { point, wire, socket, name, version: VERSION };
    const alone = onItsOwn(await driver.ready(), path.resolve(root));
    served = await serve(point.id === logPoint.id ? keepingLogs(alone as LogDriver, dir) : alone, options);
    print(`${name}: serves ${point.id} over ${wire} at ${socket}\n`);
    await stop;
    await served.close();
  } finally {
    await driver.stop();
  }
  return 0;
};

/** By `POINT-NAME`, `POINT/NAME`, or the name of a manifest, which may stand for several: `runtime-oci`. */
function modulesOf(wanted: string): readonly DriverModule<unknown>[] {
  const named = builtinDrivers().map((module) => {
    const { point, name } = module;
    const manifest = builtinManifests[`${point.word}/${name}`] as { name?: string } | undefined;
    const names = [`${point.word}-${name}`, `${point.word}/${name}`, manifest?.name?.split('/')[1] ?? ''];
    return { module, names };
  });
  const found = named.filter(({ names }) => names.includes(wanted));
  if (found.length > 0) return found.map(({ module }) => module);
  const near = nearNames(
    wanted,
    named.flatMap(({ names }) => names),
  );
  const meant = near.length === 0 ? '' : `: did you mean ${near.map((one) => `"${one}"`).join(' or ')}?`;
  throw new HostError('NotFound', 'DRIVER_UNKNOWN', `no built-in driver "${wanted}"${meant}`, {
    hint: `there are ${named.map(({ names }) => names[0]).join(', ')}`,
  });
}

async function firstThatStarts(
  modules: readonly DriverModule<unknown>[],
  rootDir: string,
  stateDir: string,
  log: Logger,
): Promise<BuiltinDriver> {
  const reasons: string[] = [];
  for (const module of modules) {
    const driver = new BuiltinDriver(module, { rootDir, stateDir, log, stopMs: STOP_MS, getByName: alone });
    await driver.start();
    if (driver.record.state === 'ready') return driver;
    reasons.push(`${module.name}: ${driver.record.reason}`);
  }
  throw new HostError('FailedPrecondition', 'DRIVER_NOT_STARTED', `start the driver: ${reasons.join('; ')}`);
}

/** Two processes on one directory would each undo what the other makes. */
function holdRoot(root: string, name: string): void {
  if (holdFile(path.join(root, `${name.replaceAll('/', '-')}.lock`))) return;
  const message = `open ${root}: "${name}" is served from there already`;
  throw new HostError('FailedPrecondition', 'DATA_ROOT_IN_USE', message, {
    hint: 'stop that one, or give another --root',
  });
}

/**
 * What has `restore` leaves power cuts to its host, who cannot be asked over Docker's protocol and may keep its books on
 * another file system: here what was created or removed is written out before it is answered.
 */
function onItsOwn(driver: unknown, root: string): object {
  const { restore, create, remove, ...rest } = driver as Partial<VolumeDriver>;
  if (!restore || !create || !remove) return driver as object;
  const lasting =
    <R>(method: (request: R, call: CallContext) => Promise<void>) =>
    async (request: R, call: CallContext): Promise<void> => {
      await method(request, call);
      await syncMetadata(root);
    };
  return { ...rest, create: lasting(create), remove: lasting(remove) };
}

/** A Docker Engine names no file for the log of a plugin: it goes below the driver's root then. */
function keepingLogs(driver: LogDriver, dir: string): LogDriver {
  const { start } = driver;
  return {
    ...driver,
    start: async ({ source, info }, call) => {
      const logPath = info.logPath || path.join(dir, info.containerId, `${info.containerId}-json.log`);
      if (!info.logPath) mkdirSync(path.dirname(logPath), { recursive: true, mode: 0o700 });
      await start({ source, info: { ...info, logPath } }, call);
    },
  };
}

async function alone(): Promise<never> {
  throw new HostError(
    'FailedPrecondition',
    'DRIVER_ALONE',
    'a driver that is served has no other drivers beside it',
  );
}

function both(own: Logger, other: () => Logger | undefined): Logger {
  const at = (level: keyof Logger) => (fields: object, message: string) => {
    own[level](fields, message);
    other()?.[level](fields, message);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => resolve());
  });
}
