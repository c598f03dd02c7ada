/**
 * Hosts drivers: starts and stops the built-in ones, finds plugins when they are asked for by name, and gives each
 * caller an object of the point's contract whose every method goes through the call pipeline.
 */
import { asHostError, HostError } from '@gantry/plugin-sdk/errors.ts';
import type { DriverModule, ExtensionPoint, Logger } from '@gantry/plugin-sdk/extension-point.ts';
import { BuiltinDriver } from './builtin-driver.ts';
import { driverId, requiredBy, startOrder } from './builtin-order.ts';
import type { DriverRow } from './driver-record.ts';
import { nearNames } from './near-names.ts';
import type { CallTrace } from './pipeline.ts';

const STOP_MS = 5_000;

export interface DriverHostOptions {
  readonly points: readonly ExtensionPoint<unknown>[];
  readonly builtins: readonly DriverModule<unknown>[];
  /** Where plugins are looked for, in order; Docker's directories when absent. */
  readonly dirs?: { readonly socket: readonly string[]; readonly spec: readonly string[] };
  /** Parent of the drivers' durable directories, one for each, `POINT-NAME`. */
  readonly rootDir: string;
  /** Parent of the drivers' volatile directories. */
  readonly stateDir: string;
  readonly log: Logger;
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
  readonly #builtins: ReadonlyMap<string, BuiltinDriver>;

  constructor(options: DriverHostOptions) {
    this.#options = options;
    const around = {
      rootDir: options.rootDir,
      stateDir: options.stateDir,
      log: options.log,
      stopMs: options.stopMs ?? STOP_MS,
      trace: options.trace,
      getByName: <T>(point: ExtensionPoint<T>, name: string): Promise<T> => this.driver(point, name),
    };
    const builtins = startOrder(options.builtins).map((module) => new BuiltinDriver(module, around));
    this.#builtins = new Map(builtins.map((builtin) => [driverId(builtin.module), builtin]));
    if (this.#builtins.size < builtins.length) throw declaredTwice(options.builtins);
  }

  /** Starts the built-in drivers, each after those it requires; resolves when all are ready, skipped or failed. */
  async start(): Promise<void> {
    await Promise.all([...this.#builtins.values()].map((builtin) => this.#startBuiltin(builtin)));
  }

  /** Stops the drivers in reverse order, each with its own deadline. Never rejects. */
  async stop(): Promise<void> {
    for (const builtin of [...this.#builtins.values()].toReversed()) await builtin.stop();
  }

  /**
   * The driver called `name`. Errors: NotFound (`DRIVER_NOT_FOUND`, with near names), Unavailable (known, but it
   * cannot be used now).
   */
  async driver<T>(point: ExtensionPoint<T>, name: string): Promise<T> {
    const builtin = this.#builtins.get(driverId({ point, name }));
    if (builtin !== undefined) return (await builtin.ready()) as T;
    throw this.#unknown(point, name);
  }

  /** Every driver of a point, and those that could have been one but did not answer before `signal` aborted. */
  async everyDriver<T>(point: ExtensionPoint<T>, _call: { signal: AbortSignal }): Promise<FoundDriver<T>[]> {
    const names = this.#builtinNames(point);
    return Promise.all(names.map((name) => this.#find(point, name)));
  }

  /** What `gantry driver ls` shows. */
  list(): readonly DriverRow[] {
    return [...this.#builtins.values()].map((builtin) => builtin.record.row());
  }

  async #find<T>(point: ExtensionPoint<T>, name: string): Promise<FoundDriver<T>> {
    try {
      return { name, driver: await this.driver(point, name) };
    } catch (error) {
      return { name, error: asHostError(error) };
    }
  }

  async #startBuiltin(builtin: BuiltinDriver): Promise<void> {
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
    const near = nearNames(name, this.#builtinNames(point));
    const meant =
      near.length === 0 ? '' : `: did you mean ${near.map((other) => `"${other}"`).join(' or ')}?`;
    return new HostError('NotFound', 'DRIVER_NOT_FOUND', `${point.word} driver "${name}" not found${meant}`, {
      hint: `install it with: gantry driver install ${name}`,
      details: { near },
    });
  }
}

function declaredTwice(modules: readonly DriverModule<unknown>[]): HostError {
  const ids = modules.map(driverId);
  const twice = ids.filter((id, index) => ids.indexOf(id) !== index);
  const message = `start drivers: declared twice: ${[...new Set(twice)].join(', ')}`;
  return new HostError('FailedPrecondition', 'DRIVER_DECLARED_TWICE', message);
}
