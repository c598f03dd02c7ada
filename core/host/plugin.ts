/**
 * One plugin outside the daemon: where it is now, what it says it implements, and the way to it. It is activated at
 * first use, once for each socket or spec file; a replaced file is another plugin and is activated again.
 */
import { asHostError, HostError, isHostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { Logger } from '@gantry/plugin-sdk/extension-point.ts';
import { Breaker } from './breaker.ts';
import { Call } from './call.ts';
import { type Activation, type Carrier, openCarrier } from './carriers/carrier.ts';
import { deadline } from './deadline.ts';
import type { Discovery, PluginLocation } from './discovery.ts';
import { loggingTo } from './driver-log.ts';
import { DriverRecord } from './driver-record.ts';

/**
 * A call to a plugin replaced within this time may still go to the one before, as one that was under way would; that one
 * is gone as a rule, and the call is then repeated on the new one.
 */
const LOOK_AGAIN_MS = 10;

/** A plugin as it answered its activation, until its file is replaced. */
export interface ActivePlugin {
  readonly location: PluginLocation;
  readonly carrier: Carrier;
  readonly activation: Activation;
}

export class Plugin {
  readonly name: string;
  /** The activation's own record; what drivers do stands in theirs. */
  readonly record: DriverRecord;
  readonly #discovery: Discovery;
  readonly #breaker: Breaker;
  readonly #onReplaced: () => void;
  readonly #log: Logger;
  #location: PluginLocation | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** What is being activated, or has been. */
  #opened: Promise<Carrier> | undefined;
  #active: ActivePlugin | undefined;
  #activating: Promise<ActivePlugin> | undefined;
  #abort = new AbortController();

  /** `log` takes what the plugin itself has to say. */
  constructor(name: string, discovery: Discovery, log: Logger, onReplaced: () => void) {
    this.name = name;
    this.record = new DriverRecord('', name, 'docker-http');
    this.#log = loggingTo(this.record.log, log);
    this.record.reason = 'not used yet';
    this.#discovery = discovery;
    this.#breaker = new Breaker(`plugin "${name}"`);
    this.#onReplaced = onReplaced;
  }

  /** What it answered, when it has been activated and its file is still the same. */
  get active(): ActivePlugin | undefined {
    return this.#active;
  }

  /** What is spoken there; undefined while it is nowhere. */
  get wire(): PluginLocation['wire'] | undefined {
    return this.#location?.wire;
  }

  /** Of the file last seen. */
  get identity(): string | undefined {
    return this.#location?.identity;
  }

  /**
   * Looks at the disk: undefined when the plugin is gone. Throws FailedPrecondition when its spec file is broken.
   * A change of the file forgets the activation and every failure.
   */
  locate(): PluginLocation | undefined {
    let found: PluginLocation | undefined;
    try {
      found = this.#discovery.locate(this.name);
      this.#lookedAt = performance.now();
    } catch (error) {
      this.#move(undefined, 'failed', messageChain(error));
      throw error;
    }
    if (found?.identity !== this.#location?.identity) {
      if (found === undefined) this.#move(undefined, 'stopped', `"${this.#location?.file}" is gone`);
      else this.#move(found, 'declared', 'not used yet');
    }
    return found;
  }

  /**
   * The activated plugin. Concurrent callers share one activation, and each may leave it by its own signal; a failed
   * one is tried again at the next use. Errors: Unavailable, DeadlineExceeded, Unknown (`DRIVER_BAD_ANSWER`, …).
   */
  async activated(signal: AbortSignal): Promise<ActivePlugin> {
    const location = this.#recentLocation() ?? this.locate();
    if (location === undefined) throw this.#gone();
    if (this.#active !== undefined) return this.#active;
    this.#activating ??= this.#activate(location);
    return abandonable(this.#activating, signal);
  }

  /** One request makes several calls, and the looks cost more than the rest of ours in them. */
  #recentLocation(): PluginLocation | undefined {
    return performance.now() - this.#lookedAt < LOOK_AGAIN_MS ? this.#location : undefined;
  }

  close(): void {
    this.#move(undefined, 'stopped', 'the daemon stops');
  }

  async #activate(location: PluginLocation): Promise<ActivePlugin> {
    const opened = openCarrier(this.name, location, this.#log);
    this.#opened = opened;
    const mine = () => this.#opened === opened;
    this.record.enter('starting', 'activation was sent');
    const from = performance.now();
    const carrier = await opened;
    try {
      const activation = await this.#handshake(carrier);
      const active = { location, carrier, activation };
      if (mine()) this.#succeeded(active, performance.now() - from);
      return active;
    } catch (error) {
      if (mine()) this.#failed(carrier, asHostError(error), performance.now() - from);
      carrier.close();
      throw error;
    }
  }

  #handshake(carrier: Carrier): Promise<Activation> {
    const { name, timeoutMs } = carrier.activation;
    const limit = deadline(`plugin "${this.name}"`, () => timeoutMs);
    const send = limit(this.#breaker.stage((call) => carrier.activate(call.signal)));
    return send(new Call(name, {}, this.#abort.signal)) as Promise<Activation>;
  }

  #succeeded(active: ActivePlugin, ms: number): void {
    this.#active = active;
    this.#activating = undefined;
    const { activation, carrier } = active;
    this.record.ended(carrier.activation.name, ms);
    this.record.version = activation.version ?? '';
    this.record.enter('ready', `implements ${activation.implements.join(', ') || 'nothing'}`);
  }

  #failed({ activation }: Carrier, error: HostError, ms: number): void {
    this.#activating = undefined;
    if (error.code !== 'DRIVER_CRASH_LOOP') this.record.failed(activation.name, ms, error);
    const state = this.#breaker.state === 'closed' ? 'failed' : 'crash-loop';
    this.record.enter(state, messageChain(error));
  }

  #move(
    location: PluginLocation | undefined,
    state: 'declared' | 'stopped' | 'failed',
    reason: string,
  ): void {
    const hadPlace = this.#location !== undefined || this.#active !== undefined;
    this.#location = location;
    this.#abort.abort(new HostError('Unavailable', 'DRIVER_REPLACED', `plugin "${this.name}": ${reason}`));
    this.#abort = new AbortController();
    void this.#opened?.then((carrier) => carrier.close());
    this.#opened = undefined;
    this.#active = undefined;
    this.#activating = undefined;
    this.record.address = location?.address.url ?? this.record.address;
    if (location !== undefined)
      this.record.carrier = location.wire === 'docker' ? 'docker-http' : location.wire;
    this.record.enter(state, reason);
    this.#breaker.reset();
    if (hadPlace || location !== undefined) this.#onReplaced();
  }

  #gone(): HostError {
    const where = this.record.address === '' ? '' : `: nothing at ${this.record.address}`;
    return new HostError('Unavailable', 'DRIVER_UNAVAILABLE', `plugin "${this.name}" is not there${where}`, {
      hint: 'start the plugin; what waits for it goes on by itself',
      details: { plugin: this.name },
    });
  }
}

/** `shared`, for one of its waiters, who may leave. */
async function abandonable<T>(shared: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: left, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => {
    const { reason } = signal;
    const error = new HostError('Canceled', 'CANCELED', 'the caller went away', { cause: reason });
    reject(isHostError(reason) ? reason : error);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([shared, left]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
