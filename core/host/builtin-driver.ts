/** The life of one built-in driver: start it with what the host lends it, stop it and release what it opened. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { asHostError, HostError, isKind, messageChain } from '@gantry/plugin-sdk/errors.ts';
import {
  type DriverModule,
  type ExtensionPoint,
  type HostContext,
  type Logger,
  missingMethods,
} from '@gantry/plugin-sdk/extension-point.ts';
import { loggingTo } from './driver-log.ts';
import { DriverRecord } from './driver-record.ts';
import { type CallTrace, inProcess, pipeline, proxyOf } from './pipeline.ts';

export interface BuiltinSurroundings {
  readonly rootDir: string;
  readonly stateDir: string;
  readonly log: Logger;
  readonly stopMs: number;
  readonly trace?: ((call: CallTrace) => void) | undefined;
  getByName<T>(point: ExtensionPoint<T>, name: string): Promise<T>;
}

export class BuiltinDriver {
  readonly module: DriverModule<unknown>;
  readonly record: DriverRecord;
  readonly #around: BuiltinSurroundings;
  readonly #abort = new AbortController();
  readonly #releases: (() => void | Promise<void>)[] = [];
  readonly #settled = Promise.withResolvers<void>();
  #proxy: unknown;
  #error: HostError | undefined;

  constructor(module: DriverModule<unknown>, around: BuiltinSurroundings) {
    this.module = module;
    this.#around = around;
    this.record = new DriverRecord(module.point.word, module.name, 'in-process');
    this.record.reason = 'waits for its turn to start';
  }

  /** Resolves when the driver is ready, skipped or failed; never rejects. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  /** The driver's proxy, once it has started. Throws Unavailable with the reason when it is not ready. */
  async ready(): Promise<unknown> {
    await this.#settled.promise;
    const { point, name, state, reason } = this.record;
    if (state === 'ready') return this.#proxy;
    throw new HostError(
      'Unavailable',
      'DRIVER_NOT_READY',
      `${point} driver "${name}" is ${state}: ${reason}`,
      {
        cause: this.#error,
      },
    );
  }

  async start(): Promise<void> {
    const from = performance.now();
    this.record.enter('starting', 'start was called');
    try {
      const driver = await this.module.start(await this.#context());
      this.#proxy = this.#wrap(driver);
      this.record.enter('ready', `started in ${(performance.now() - from).toFixed(1)} ms`);
    } catch (error) {
      await this.#notStarted(error);
    }
    this.#settled.resolve();
  }

  /** For a driver that cannot start since what it requires did not. */
  skip(reason: string): void {
    this.record.enter('skipped', reason);
    this.#around.log.info({ driver: this.#label, reason }, 'driver skipped');
    this.#settled.resolve();
  }

  /** Aborts the driver's signal and releases what it opened, last first. Never rejects; safe to repeat. */
  async stop(): Promise<void> {
    const { record } = this;
    if (record.state === 'skipped' || record.state === 'failed' || record.state === 'stopped') return;
    record.enter('stopping', 'the daemon stops');
    const inTime = await this.#release();
    record.enter('stopped', inTime ? 'stopped' : `still busy after ${this.#around.stopMs} ms`);
    if (!inTime) this.#around.log.warn({ driver: this.#label }, 'driver did not stop in time');
    this.#settled.resolve();
  }

  get #label(): string {
    return `${this.record.point}-${this.record.name}`;
  }

  #wrap(driver: unknown): unknown {
    const { point } = this.module;
    if (typeof driver !== 'object' || driver === null) {
      throw new HostError(
        'Internal',
        'DRIVER_NOT_A_DRIVER',
        `driver "${this.#label}" started without an object`,
      );
    }
    const missing = missingMethods(point, driver);
    if (missing.length > 0) {
      const message = `driver "${this.#label}" lacks ${missing.join(', ')} of ${point.id}`;
      throw new HostError('Internal', 'DRIVER_NOT_A_DRIVER', message, { details: { missing } });
    }
    const { record } = this;
    const send = pipeline(point, { record, carrier: inProcess(driver), trace: this.#around.trace });
    return proxyOf(point, (method) => typeof Reflect.get(driver, method) === 'function', send);
  }

  async #notStarted(thrown: unknown): Promise<void> {
    const error = asHostError(thrown);
    this.#error = error;
    const state = isKind(error, 'FailedPrecondition') ? 'skipped' : 'failed';
    this.record.enter(state, messageChain(error));
    const { log } = this.#around;
    if (state === 'skipped') log.info({ driver: this.#label, reason: messageChain(error) }, 'driver skipped');
    else log.warn({ driver: this.#label, err: error }, 'driver failed to start');
    await this.#release();
  }

  /** False when the releases were not done by the deadline. */
  async #release(): Promise<boolean> {
    this.#abort.abort(new HostError('Canceled', 'DRIVER_STOPPING', `driver "${this.#label}" stops`));
    const { promise: late, resolve: giveUp } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => giveUp(false), this.#around.stopMs);
    try {
      return await Promise.race([this.#releaseAll(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #releaseAll(): Promise<true> {
    for (let release = this.#releases.pop(); release !== undefined; release = this.#releases.pop()) {
      try {
        await release();
      } catch (error) {
        this.#around.log.warn({ driver: this.#label, err: error }, 'driver release failed');
      }
    }
    return true;
  }

  async #context(): Promise<HostContext> {
    const { getByName, log } = this.#around;
    const rootDir = join(this.#around.rootDir, this.#label);
    const stateDir = join(this.#around.stateDir, this.#label);
    await Promise.all([rootDir, stateDir].map((dir) => mkdir(dir, { recursive: true, mode: 0o711 })));
    return {
      log: loggingTo(this.record.log, labelled(log, this.#label)),
      rootDir,
      stateDir,
      signal: this.#abort.signal,
      getByName,
      defer: (release) => void this.#releases.push(release),
    };
  }
}

export function labelled(log: Logger, driver: string): Logger {
  return {
    debug: (fields, message) => log.debug({ driver, ...fields }, message),
    info: (fields, message) => log.info({ driver, ...fields }, message),
    warn: (fields, message) => log.warn({ driver, ...fields }, message),
    error: (fields, message) => log.error({ driver, ...fields }, message),
  };
}
