/**
 * Hosts drivers: starts and stops the built-in ones, finds plugins when they are asked for by name, and gives each
 * caller an object of the point's contract whose every method goes through the call pipeline.
 */
import { asHostError, HostError } from '@gantry/plugin-sdk/errors.ts';
import type { DriverModule, ExtensionPoint, Logger } from '@gantry/plugin-sdk/extension-point.ts';
import { BuiltinDriver, type BuiltinSurroundings, labelled } from './builtin-driver.ts';
import { driverId, requiredBy, startOrder } from './builtin-order.ts';
import { Discovery, type PluginDirs } from './discovery.ts';
import type { DriverLog } from './driver-log.ts';
import type { DriverRow } from './driver-record.ts';
import { nearNames } from './near-names.ts';
import type { CallTrace } from './pipeline.ts';
import { PluginWatch } from './plugin-watch.ts';
import { Plugins } from './plugins.ts';

const STOP_MS = 5_000;

export interface DriverHostOptions {
  /** Points that `list` shows a plugin's drivers of. */
  readonly points: readonly ExtensionPoint<unknown>[];
  readonly builtins: readonly DriverModule<unknown>[];
  /** Where plugins are looked for, in order; Docker's directories when absent. */
  readonly dirs?: PluginDirs;
  /** Parent of the drivers' durable directories, one for each, `POINT-NAME`. */
  readonly rootDir: string;
  /** Parent of the drivers' volatile directories. */
  readonly stateDir: string;
  readonly log: Logger;
  /** Drivers that the operator does not want, as `POINT/NAME`, e.g. `volume/local`. */
  readonly disabled?: readonly string[];
  /** Aborts when the daemon stops: no plugin is waited for after that. */
  readonly signal?: AbortSignal;
  /** Told of every finished call. */
  readonly trace?: (call: CallTrace) => void;
  /** How long one driver may take to stop, in milliseconds. */
  readonly stopMs?: number;
}

/** A driver of a point, or why there is none to be had under that name. */
export type FoundDriver<T> =
  | { readonly name: string; readonly driver: T; readonly error?: never }
  | { readonly name: string; readonly driver?: never; readonly error: HostError };

export class DriverHost {
  readonly #options: DriverHostOptions;
  readonly #builtins: Map<string, BuiltinDriver>;
  readonly #plugins: Plugins;
  readonly #watch: PluginWatch;
  readonly #stopped = new AbortController();
  readonly #signal: AbortSignal;
  #watching: Promise<void> | undefined;

  /** Throws FailedPrecondition when built-in drivers require each other in a circle or are declared twice. */
  constructor(options: DriverHostOptions) {
    this.#options = options;
    const { signal } = this.#stopped;
    this.#signal = options.signal === undefined ? signal : AbortSignal.any([options.signal, signal]);
    this.#builtins = declare(options, (point, name) => this.driver(point, name));
    const discovery = new Discovery(options.dirs);
    const logOf = (driver: string): Logger => labelled(options.log, driver);
    this.#plugins = new Plugins({ discovery, logOf, points: options.points, trace: options.trace });
    const { driver = [], socket, spec } = discovery.dirs;
    const onError = (err: unknown): void => options.log.warn({ err }, 'watching plugin directories failed');
    this.#watch = new PluginWatch(
      { nested: [...socket, ...spec], flat: driver },
      (name) => this.#plugins.changed(name),
      onError,
    );
  }

  /** Starts the built-in drivers, each after those it requires; resolves when all are ready, skipped or failed. */
  async start(): Promise<void> {
    await Promise.all([...this.#builtins.values()].map((builtin) => this.#startBuiltin(builtin)));
    this.#watching ??= this.#watch.start();
  }

  /**
   * One more built-in driver, as a reload may bring; resolves when it is ready, skipped or failed. Throws
   * FailedPrecondition when there is one of its point and name.
   */
  async add(module: DriverModule<unknown>): Promise<void> {
    if (this.#builtins.has(driverId(module))) throw declaredTwice([module, module]);
    const around = surroundings(this.#options, (point, name) => this.driver(point, name));
    const builtin = new BuiltinDriver(module, around);
    this.#builtins.set(driverId(module), builtin);
    await this.#startBuiltin(builtin);
  }

  /** Stops the drivers in reverse order, each with its own deadline. Never rejects; safe to repeat. */
  async stop(): Promise<void> {
    this.#stopped.abort(new HostError('Canceled', 'HOST_STOPPING', 'the daemon stops'));
    for (const builtin of [...this.#builtins.values()].toReversed()) await builtin.stop();
    this.#plugins.close();
    await this.#watching;
    await this.#watch.stop();
  }

  /** Resolves when changes of the plugin directories are noticed; `start` does not wait for it. */
  async watching(): Promise<void> {
    await this.#watching;
  }

  /**
   * The driver called `name`, activated. It stays good when the plugin behind it is replaced. Errors: NotFound
   * (`DRIVER_NOT_FOUND`, with near names), Unavailable (known, but away), FailedPrecondition (a broken spec file, or a
   * plugin that implements something else), DeadlineExceeded, Unknown (a bad answer to the activation).
   */
  async driver<T>(point: ExtensionPoint<T>, name: string, call?: { signal: AbortSignal }): Promise<T> {
    if (this.#isDisabled(point, name)) throw disabled(point, name);
    const builtin = this.#builtins.get(driverId({ point, name }));
    if (builtin !== undefined) return (await builtin.ready()) as T;
    const signal = call?.signal ?? this.#signal;
    const driver = await this.#plugins.driver(point, name, signal);
    if (driver === undefined) throw this.#unknown(point, name);
    return driver.proxy as T;
  }

  /**
   * Every driver of a point: the built-in ones and all plugins, which are activated for it. Those that could not be
   * activated before `signal` aborted come with their error. Never rejects.
   */
  async everyDriver<T>(point: ExtensionPoint<T>, call: { signal: AbortSignal }): Promise<FoundDriver<T>[]> {
    const wanted = this.#builtinNames(point).filter((name) => !this.#isDisabled(point, name));
    const builtins = wanted.map((name) => this.#found<T>(name, this.driver(point, name)));
    const others = this.#plugins
      .names()
      .filter((name) => !this.#builtins.has(driverId({ point, name })) && !this.#isDisabled(point, name))
      .map((name) => this.#foundPlugin(point, name, call.signal));
    const found = await Promise.all([...builtins, ...others]);
    return found.filter((each) => each !== undefined);
  }

  /** What `gantry driver ls` shows. */
  list(): readonly DriverRow[] {
    const rows = [
      ...[...this.#builtins.values()].map((builtin) => builtin.record.row()),
      ...this.#plugins.rows(),
    ];
    return rows.map((row) => ({
      ...row,
      enabled: !this.#options.disabled?.includes(`${row.point}/${row.name}`),
    }));
  }

  /** The last lines of each driver that is called `wanted` or `POINT/NAME`; one of a plugin's, for all its points. */
  logsOf(wanted: string): readonly { readonly id: string; readonly log: DriverLog }[] {
    const records = [...[...this.#builtins.values()].map(({ record }) => record), ...this.#plugins.records()];
    const found = records.filter(({ point, name }) => name === wanted || `${point}/${name}` === wanted);
    const logs = new Map(
      found.map(({ point, name, log }) => [log, point === '' ? name : `${point}/${name}`]),
    );
    return [...logs].map(([log, id]) => ({ id, log }));
  }

  /** Makes a driver's name known that stored objects use: while it is away it is Unavailable, not NotFound. */
  expect(point: ExtensionPoint<unknown>, name: string): void {
    if (!this.#builtins.has(driverId({ point, name }))) this.#plugins.expect(name);
  }

  /** Whether that driver is part of the daemon. */
  isBuiltin(point: ExtensionPoint<unknown>, name: string): boolean {
    return this.#builtins.has(driverId({ point, name }));
  }

  /** What tells the plugin of that name from the one that comes after it; undefined while there is none. */
  identity(name: string): string | undefined {
    return this.#plugins.identity(name);
  }

  /** Calls back each time the plugin's socket or spec file appears or is replaced; answers what ends that. */
  onAppear(name: string, onAppear: () => void): () => void {
    return this.#plugins.onAppear(name, onAppear);
  }

  async #found<T>(name: string, driver: Promise<T>): Promise<FoundDriver<T>> {
    try {
      return { name, driver: await driver };
    } catch (error) {
      return { name, error: asHostError(error) };
    }
  }

  async #foundPlugin<T>(
    point: ExtensionPoint<T>,
    name: string,
    signal: AbortSignal,
  ): Promise<FoundDriver<T> | undefined> {
    try {
      const driver = await this.#plugins.driverIfAny(point, name, signal);
      return driver && { name, driver: driver.proxy as T };
    } catch (error) {
      return { name, error: asHostError(error) };
    }
  }

  #isDisabled(point: ExtensionPoint<unknown>, name: string): boolean {
    return this.#options.disabled?.includes(driverId({ point, name })) === true;
  }

  async #startBuiltin(builtin: BuiltinDriver): Promise<void> {
    const { point, name } = builtin.module;
    if (this.#isDisabled(point, name)) {
      builtin.skip('disabled by the operator');
      return;
    }
    const required = requiredBy(builtin.module, this.#options.builtins).map((module) =>
      this.#builtins.get(driverId(module)),
    );
    await Promise.all(required.map((other) => other?.settled));
    const absent = builtin.module.requires.filter((point) => this.#noneReady(point));
    if (absent.length === 0) await builtin.start();
    else builtin.skip(`no driver of ${absent.map((point) => point.id).join(', ')} could start`);
  }

  /** True when the point has built-in drivers and none of them started. */
  #noneReady(point: ExtensionPoint<unknown>): boolean {
    const ofPoint = [...this.#builtins.values()].filter((builtin) => builtin.module.point.id === point.id);
    return ofPoint.length > 0 && ofPoint.every((builtin) => builtin.record.state !== 'ready');
  }

  #builtinNames(point: ExtensionPoint<unknown>): string[] {
    return [...this.#builtins.values()]
      .filter((builtin) => builtin.module.point.id === point.id)
      .map((builtin) => builtin.module.name);
  }

  #unknown(point: ExtensionPoint<unknown>, name: string): HostError {
    const near = nearNames(name, [...this.#builtinNames(point), ...this.#plugins.names()]);
    const meant =
      near.length === 0 ? '' : `: did you mean ${near.map((other) => `"${other}"`).join(' or ')}?`;
    return new HostError('NotFound', 'DRIVER_NOT_FOUND', `${point.word} driver "${name}" not found${meant}`, {
      hint: `install it with: gantry driver install ${name}`,
      details: { near },
    });
  }
}

function declare(
  options: DriverHostOptions,
  getByName: BuiltinSurroundings['getByName'],
): Map<string, BuiltinDriver> {
  const around = surroundings(options, getByName);
  const modules = startOrder(options.builtins);
  const builtins = new Map(modules.map((module) => [driverId(module), new BuiltinDriver(module, around)]));
  if (builtins.size < modules.length) throw declaredTwice(modules);
  return builtins;
}

function surroundings(
  { rootDir, stateDir, log, trace, stopMs = STOP_MS }: DriverHostOptions,
  getByName: BuiltinSurroundings['getByName'],
): BuiltinSurroundings {
  return { rootDir, stateDir, log, trace, stopMs, getByName };
}

function disabled(point: ExtensionPoint<unknown>, name: string): HostError {
  const message = `${point.word} driver "${name}" is disabled`;
  const hint = `enable it with: gantry driver enable ${point.word}/${name}`;
  return new HostError('FailedPrecondition', 'DRIVER_DISABLED', message, { hint });
}

function declaredTwice(modules: readonly DriverModule<unknown>[]): HostError {
  const ids = modules.map(driverId);
  const twice = ids.filter((id, index) => ids.indexOf(id) !== index);
  const message = `start drivers: declared twice: ${[...new Set(twice)].join(', ')}`;
  return new HostError('FailedPrecondition', 'DRIVER_DECLARED_TWICE', message);
}
