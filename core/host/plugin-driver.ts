/** One driver of a plugin: the contract of a point, translated to the plugin's messages, behind the call pipeline. */
import { HostError, isHostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { ExtensionPoint } from '@gantry/plugin-sdk/extension-point.ts';
import type { AnyTranslation } from '@gantry/plugin-sdk/wire/translation.ts';
import { Breaker, type BreakerState } from './breaker.ts';
import { Bulkhead } from './bulkhead.ts';
import type { Call, Send, Stage } from './call.ts';
import { DriverRecord } from './driver-record.ts';
import { type CallTrace, pipeline, proxyOf } from './pipeline.ts';
import type { ActivePlugin, Plugin } from './plugin.ts';
import { translationsOf } from './point-translations.ts';

/** Failures of the plugin to answer in a way that an optional method may be missing in. */
const MAY_MEAN_ABSENT: ReadonlySet<string> = new Set([
  'DRIVER_ERROR',
  'DRIVER_BAD_ANSWER',
  'DRIVER_CONNECTION_LOST',
]);

export class PluginDriver {
  readonly point: ExtensionPoint<unknown>;
  readonly record: DriverRecord;
  readonly proxy: unknown;
  readonly #plugin: Plugin;
  readonly #translations: ReadonlyMap<string, AnyTranslation>;
  readonly #breaker: Breaker;

  constructor(point: ExtensionPoint<unknown>, plugin: Plugin, trace?: (call: CallTrace) => void) {
    this.point = point;
    this.#plugin = plugin;
    this.#translations = translationsOf(point);
    this.record = new DriverRecord(point.word, plugin.name, 'docker-http', plugin.record.address);
    const label = `${point.word} driver "${plugin.name}"`;
    this.#breaker = new Breaker(label, { onChange: (...change) => this.#observe(...change) });
    const bulkhead = new Bulkhead(label);
    const { record } = this;
    const carrier: Send = (call) => this.#carry(call);
    const send = pipeline(point, {
      record,
      carrier,
      trace,
      breaker: this.#breaker,
      bulkhead,
      retry: this.#retry,
    });
    this.proxy = proxyOf(point, (method) => this.#translations.has(method), send);
    this.record.breaker = 'closed';
    this.record.enter('ready', 'activated');
  }

  /** The plugin's file was replaced or removed: what failed before says nothing about what is there now. */
  replaced(): void {
    this.#breaker.reset();
    this.record.address = this.#plugin.record.address;
    const { state, reason } = this.#plugin.record;
    this.record.enter(state === 'declared' ? 'ready' : state, state === 'declared' ? 'found again' : reason);
  }

  async #carry(call: Call): Promise<unknown> {
    const { request, method, signal } = call;
    const translation = this.#translations.get(method);
    if (translation === undefined) throw unknownMethod(this.point, method);
    const active = await this.#plugin.activated(signal);
    requireKind(this.point, this.#plugin.name, active);
    if (active.answers.has(method)) return active.answers.get(method);
    return this.#ask(active, translation, request, method, signal);
  }

  async #ask(
    active: ActivePlugin,
    translation: AnyTranslation,
    request: object,
    method: string,
    signal: AbortSignal,
  ): Promise<unknown> {
    try {
      const wire = await active.http.call(translation.method, translation.request.toWire(request), signal);
      const answer = translation.answer.fromWire(wire, request);
      if (translation.lasts === true) active.answers.set(method, answer);
      return answer;
    } catch (error) {
      const mayBeAbsent = translation.method.optional && 'whenAbsent' in translation;
      if (mayBeAbsent && isHostError(error) && MAY_MEAN_ABSENT.has(error.code)) return translation.whenAbsent;
      throw error;
    }
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
export function requireKind(point: ExtensionPoint<unknown>, name: string, active: ActivePlugin): void {
  if (implementsPoint(point, active)) return;
  const word = point.implementsName ?? point.id;
  const message = `plugin "${name}" does not implement ${word}: it implements [${active.implements.join(', ')}]`;
  throw new HostError('FailedPrecondition', 'DRIVER_WRONG_KIND', message, {
    details: { plugin: name, wanted: word, implements: active.implements },
  });
}

export function implementsPoint(point: ExtensionPoint<unknown>, active: ActivePlugin): boolean {
  return point.implementsName !== undefined && active.implements.includes(point.implementsName);
}

function unknownMethod(point: ExtensionPoint<unknown>, method: string): HostError {
  return new HostError(
    'NotImplemented',
    'DRIVER_METHOD_ABSENT',
    `${point.id} has no "${method}" on the wire`,
  );
}
