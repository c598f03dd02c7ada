/** One driver of a plugin: the contract of a point, behind the call pipeline, and carried to where the plugin is. */
import { HostError, isHostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { ExtensionPoint } from '@gantry/plugin-sdk/extension-point.ts';
import { Breaker, type BreakerState } from './breaker.ts';
import { Bulkhead, DEFAULT_LIMITS } from './bulkhead.ts';
import type { Call, Send, Stage } from './call.ts';
import { deadlineMs } from './deadline.ts';
import { DriverRecord } from './driver-record.ts';
import { type CallTrace, pipeline, proxyOf } from './pipeline.ts';
import type { ActivePlugin, Plugin } from './plugin.ts';

export class PluginDriver {
  readonly point: ExtensionPoint<unknown>;
  readonly record: DriverRecord;
  readonly #plugin: Plugin;
  readonly #send: Send;
  #methods: ReadonlySet<string> | undefined;
  #proxy: unknown;
  readonly #breaker: Breaker;

  constructor(point: ExtensionPoint<unknown>, plugin: Plugin, trace?: (call: CallTrace) => void) {
    this.point = point;
    this.#plugin = plugin;
    const { carrier: kind, address, log } = plugin.record;
    this.record = new DriverRecord(point.word, plugin.name, kind, address, log);
    const label = `${point.word} driver "${plugin.name}"`;
    this.#breaker = new Breaker(label, { onChange: (...change) => this.#observe(...change) });
    const bulkhead = new Bulkhead(label, DEFAULT_LIMITS, (method) => deadlineMs(point.id, method) > 0);
    const { record } = this;
    const carrier: Send = (call) => this.#carry(call);
    this.#send = pipeline(point, {
      record,
      carrier,
      trace,
      breaker: this.#breaker,
      bulkhead,
      retry: this.#retry,
    });
    this.record.breaker = 'closed';
    this.record.enter('ready', 'activated');
  }

  /** With the methods that the plugin has now; one that was had before stays good. */
  get proxy(): unknown {
    const methods = this.#plugin.active?.activation.methodsOf(this.point) ?? this.#methods;
    if (this.#proxy === undefined || methods !== this.#methods) {
      this.#proxy = proxyOf(this.point, (method) => methods?.has(method) === true, this.#send);
      this.#methods = methods;
      this.record.version = this.#plugin.record.version;
    }
    return this.#proxy;
  }

  /** The plugin's file was replaced or removed: what failed before says nothing about what is there now. */
  replaced(): void {
    this.#breaker.reset();
    this.record.address = this.#plugin.record.address;
    this.record.carrier = this.#plugin.record.carrier;
    const { state, reason } = this.#plugin.record;
    this.record.enter(state === 'declared' ? 'ready' : state, state === 'declared' ? 'found again' : reason);
  }

  async #carry(call: Call): Promise<unknown> {
    const active = await this.#plugin.activated(call.signal);
    requireKind(this.point, this.#plugin.name, active);
    return active.carrier.call(this.point, call);
  }

  /** Once more, when nothing was sent and another plugin has come to stand in the place meanwhile. */
  readonly #retry: Stage = (next) => async (call) => {
    try {
      return await next(call);
    } catch (error) {
      const tried = this.#plugin.identity;
      const unsent = isHostError(error) && error.code === 'DRIVER_UNAVAILABLE';
      const now = unsent ? this.#plugin.locate()?.identity : tried;
      if (now === tried || now === undefined) throw error;
      return next(call);
    }
  };

  #observe(state: BreakerState, opened: number, error?: HostError): void {
    this.record.breaker = state;
    if (this.#plugin.identity === undefined) this.record.enter('stopped', this.#plugin.record.reason);
    else if (state === 'open' && error !== undefined) {
      this.record.enter(opened > 1 ? 'crash-loop' : 'degraded', messageChain(error));
    } else if (state === 'closed') {
      this.record.enter(error ? 'degraded' : 'ready', error ? messageChain(error) : 'answers');
    }
  }
}

/** Throws FailedPrecondition when the plugin does not implement the point. */
export function requireKind(
  point: ExtensionPoint<unknown>,
  name: string,
  { activation }: ActivePlugin,
): void {
  if (activation.methodsOf(point) !== undefined) return;
  const word = activation.wordOf(point);
  const all = activation.implements;
  const message = `plugin "${name}" does not implement ${word}: it implements [${all.join(', ')}]`;
  throw new HostError('FailedPrecondition', 'DRIVER_WRONG_KIND', message, {
    details: { plugin: name, wanted: word, implements: all },
  });
}

export function implementsPoint(point: ExtensionPoint<unknown>, { activation }: ActivePlugin): boolean {
  return activation.methodsOf(point) !== undefined;
}
