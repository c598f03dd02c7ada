/**
 * A place where the core asks for help, and the value by which a driver offers itself. Declaring either has no side
 * effect: nothing is registered by importing a file.
 */

export interface ExtensionPoint<T> {
  /** Contract name with its major version, e.g. `gantry.volume.v1`. */
  readonly id: string;
  /** Short word used in driver names and commands, e.g. `volume`. */
  readonly word: string;
  /** Capability word that a Docker plugin announces at activation, e.g. `VolumeDriver`; absent when there is none. */
  readonly implementsName?: string;
  /** Every contract method, with whether the point can do without it. */
  readonly methods: Readonly<Record<keyof T & string, 'required' | 'optional'>>;
}

/** Names the contract methods that `driver` lacks; empty when it fits. */
export function missingMethods<T>(point: ExtensionPoint<T>, driver: object): readonly string[] {
  return Object.entries(point.methods)
    .filter(([name, need]) => need === 'required' && typeof Reflect.get(driver, name) !== 'function')
    .map(([name]) => name);
}

export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** What the host lends to a driver for its life. */
export interface HostContext {
  readonly log: Logger;
  /** Durable directory of this driver alone. */
  readonly rootDir: string;
  /** Volatile directory of this driver alone; empty after a restart of the machine. */
  readonly stateDir: string;
  /** Aborts when the daemon stops or the driver is disabled. */
  readonly signal: AbortSignal;
  /** The driver called `name` at `point`. Throws NotFound or Unavailable, never answers undefined. */
  getByName<T>(point: ExtensionPoint<T>, name: string): Promise<T>;
  /** Runs `release` when the driver stops; the last registered runs first, also when a start fails halfway. */
  defer(release: () => void | Promise<void>): void;
}

/** How a driver offers itself. */
export interface DriverModule<T> {
  readonly point: ExtensionPoint<T>;
  readonly name: string;
  /** Points whose drivers must have started before this one. */
  readonly requires: readonly ExtensionPoint<unknown>[];
  /** Throws FailedPrecondition when the driver cannot run here: the host then records `skipped`, not `failed`. */
  start(host: HostContext): Promise<T>;
}

/** How far a long call has come. */
export interface CallProgress {
  /** What it is at: `unpacking layer 3 of 7`. */
  readonly text?: string;
  readonly done?: number;
  /** Of which `done` are done; in the same unit. */
  readonly total?: number;
}

export interface CallContext {
  /** Aborts at the method's deadline, or when the caller leaves. */
  readonly signal: AbortSignal;
  /** Tells who asks `gantry driver inspect` or `why` what the call is at; costs next to nothing. */
  progress?(progress: CallProgress): void;
}
