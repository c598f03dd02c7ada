/** A plugin that speaks Docker's protocol: the contract's requests become its messages, and its answers the contract's. */
import { HostError, isHostError } from '@gantry/plugin-sdk/errors.ts';
import type { ExtensionPoint } from '@gantry/plugin-sdk/extension-point.ts';
import { pluginActivate } from '@gantry/plugin-sdk/wire/plugin.ts';
import { translationsOf } from '@gantry/plugin-sdk/wire/point-translations.ts';
import type { AnyTranslation } from '@gantry/plugin-sdk/wire/translation.ts';
import type { Call } from '../call.ts';
import type { PluginAddress } from '../plugin-address.ts';
import type { Activation, Carrier } from './carrier.ts';
import { DockerHttp } from './docker-http.ts';
import { offerStream } from './offer-stream.ts';

/** Failures of the plugin to answer in a way that an optional method may be missing in. */
const MAY_MEAN_ABSENT: ReadonlySet<string> = new Set([
  'DRIVER_ERROR',
  'DRIVER_BAD_ANSWER',
  'DRIVER_CONNECTION_LOST',
]);

export class DockerCarrier implements Carrier {
  readonly kind = 'docker-http';
  readonly activation = { name: pluginActivate.name, timeoutMs: pluginActivate.timeoutMs };
  readonly #http: DockerHttp;
  /** Answers that hold as long as the activation, by point and method. */
  readonly #lasting: Map<string, unknown> = new Map();

  constructor(plugin: string, address: PluginAddress) {
    this.#http = new DockerHttp(plugin, address);
  }

  async activate(signal: AbortSignal): Promise<Activation> {
    const answer = (await this.#http.call(pluginActivate, {}, signal)) as { Implements: string[] };
    return new DockerActivation(answer.Implements);
  }

  async call(point: ExtensionPoint<unknown>, { method, request, signal }: Call): Promise<unknown> {
    const translation = translationsOf(point).get(method);
    if (translation === undefined) throw unknownMethod(point, method);
    const key = `${point.id}.${method}`;
    if (this.#lasting.has(key)) return this.#lasting.get(key);
    const answer = await this.#ask(translation, request, signal);
    if (answer.lasts) this.#lasting.set(key, answer.value);
    return answer.value;
  }

  close(): void {
    this.#http.close();
  }

  async #ask(translation: AnyTranslation, request: object, signal: AbortSignal) {
    const message = translation.request.toWire(request);
    if (translation.method.reply === 'stream') {
      const stream = await this.#http.stream(translation.method, message, signal);
      return { value: translation.answer.fromWire(await offerStream(stream), request), lasts: false };
    }
    try {
      const wire = await this.#http.call(translation.method, message, signal);
      const value = translation.answer.fromWire(wire, request);
      return { value, lasts: translation.lasts === true };
    } catch (error) {
      const mayBeAbsent = translation.method.optional && 'whenAbsent' in translation;
      if (!mayBeAbsent || !isHostError(error) || !MAY_MEAN_ABSENT.has(error.code)) throw error;
      return { value: translation.whenAbsent, lasts: false };
    }
  }
}

class DockerActivation implements Activation {
  readonly implements: readonly string[];
  /** By point id; asked for at every call. */
  readonly #methods: Map<string, ReadonlySet<string>> = new Map();

  constructor(words: readonly string[]) {
    this.implements = words;
  }

  wordOf(point: ExtensionPoint<unknown>): string {
    return point.implementsName ?? point.id;
  }

  methodsOf(point: ExtensionPoint<unknown>): ReadonlySet<string> | undefined {
    const { implementsName } = point;
    if (implementsName === undefined || !this.implements.includes(implementsName)) return undefined;
    const known = this.#methods.get(point.id);
    if (known !== undefined) return known;
    const methods = new Set(translationsOf(point).keys());
    this.#methods.set(point.id, methods);
    return methods;
  }
}

function unknownMethod(point: ExtensionPoint<unknown>, method: string): HostError {
  return new HostError(
    'NotImplemented',
    'DRIVER_METHOD_ABSENT',
    `${point.id} has no "${method}" on the wire`,
  );
}
