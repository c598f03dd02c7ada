/**
 * A driver that speaks JSON-RPC: one connection for all its calls, made at the first one and again when it was lost, with
 * the activation as the first call on each.
 */
import { HostError, isHostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { CallProgress, ExtensionPoint, Logger } from '@gantry/plugin-sdk/extension-point.ts';
import { faultsOf } from '@gantry/plugin-sdk/rpc/check.ts';
import { RpcConnection, RpcLost } from '@gantry/plugin-sdk/rpc/connection.ts';
import { ACTIVATE, ActivateResult, LOG, LogParams, PROTOCOLS } from '@gantry/plugin-sdk/rpc/handshake.ts';
import { messagesAt, rpcName } from '@gantry/plugin-sdk/rpc/points.ts';
import { VERSION } from '../../version.ts';
import type { Call } from '../call.ts';
import type { PluginAddress } from '../plugin-address.ts';
import type { Activation, Carrier } from './carrier.ts';
import { dial } from './dial.ts';

/** Codes that say what the host has seen of a call: no driver can say them. */
const OURS: ReadonlySet<string> = new Set([
  'DRIVER_UNAVAILABLE',
  'DRIVER_CONNECTION_LOST',
  'DRIVER_BAD_ANSWER',
  'DRIVER_DEADLINE',
  'DRIVER_BUSY',
  'DRIVER_CRASH_LOOP',
  'DRIVER_NOT_FOUND',
  'CANCELED',
]);

interface Connected {
  readonly connection: RpcConnection;
  readonly activation: Activation;
}

export class JsonRpcCarrier implements Carrier {
  readonly kind = 'json-rpc';
  readonly activation = { name: ACTIVATE, timeoutMs: 60_000 };
  readonly #driver: string;
  readonly #address: PluginAddress;
  readonly #log: Logger;
  readonly #closed = new AbortController();
  /** What all calls wait for while there is no connection. */
  #connecting: Promise<Connected> | undefined;
  #connected: Connected | undefined;

  constructor(driver: string, address: PluginAddress, log: Logger) {
    this.#driver = driver;
    this.#address = address;
    this.#log = log;
  }

  async activate(signal: AbortSignal): Promise<Activation> {
    return (await this.#connect(signal)).activation;
  }

  async call(point: ExtensionPoint<unknown>, call: Call): Promise<unknown> {
    const { method, request, signal } = call;
    const messages = messagesAt(point.id)?.[method];
    if (messages === undefined) throw unknownMethod(point, method);
    const { connection } = await this.#connect(signal);
    const onProgress = (value: unknown): void => call.progress((value ?? {}) as CallProgress);
    const name = rpcName(point.id, method);
    const params = messages.bytes?.toWire(request) ?? request;
    const result = await this.#ask(connection, name, params, { signal, onProgress });
    const faults = faultsOf(messages.result, result);
    if (faults !== undefined) throw this.#badAnswer(name, faults);
    return result ?? undefined;
  }

  close(): void {
    this.#closed.abort(new HostError('Canceled', 'CANCELED', 'the caller went away'));
    this.#connected?.connection.close();
  }

  async #connect(signal: AbortSignal): Promise<Connected> {
    if (this.#connected?.connection.open) return this.#connected;
    this.#connecting ??= this.#open().finally(() => {
      this.#connecting = undefined;
    });
    return leftBy(signal, this.#connecting);
  }

  /** By nobody's signal but the carrier's own: callers come and go while it is made. */
  async #open(): Promise<Connected> {
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(this.activation.timeoutMs)]);
    const socket = await dial(this.#address, signal).catch((error) => {
      throw this.#unavailable(error);
    });
    const connection = new RpcConnection(socket, {
      notified: (method, params) => this.#notified(method, params),
    });
    try {
      const params = { protocols: PROTOCOLS, host: { name: 'gantry', version: VERSION } };
      const answer = await this.#ask(connection, ACTIVATE, params, { signal });
      const faults = faultsOf(ActivateResult, answer);
      if (faults !== undefined) throw this.#badAnswer(ACTIVATE, faults);
      this.#connected = { connection, activation: new RpcActivation(answer as ActivateResult) };
      return this.#connected;
    } catch (error) {
      connection.close();
      if (isHostError(error)) throw error;
      throw this.#lost(ACTIVATE, new RpcLost('no answer in time', false, error));
    }
  }

  async #ask(
    connection: RpcConnection,
    name: string,
    params: object,
    options: { signal: AbortSignal; onProgress?: (value: unknown) => void },
  ): Promise<unknown> {
    try {
      return await connection.request(name, params, options);
    } catch (error) {
      if (error instanceof RpcLost) throw this.#lost(name, error);
      const usurped = isHostError(error) && OURS.has(error.code) && error !== options.signal.reason;
      throw usurped ? new HostError('Unknown', 'DRIVER_ERROR', error.message, { cause: error }) : error;
    }
  }

  #notified(method: string, params: unknown): void {
    if (method !== LOG || faultsOf(LogParams, params) !== undefined) return;
    const { level, message, fields } = params as LogParams;
    this.#log[level](fields ?? {}, message);
  }

  #unavailable(error: unknown): unknown {
    if (this.#closed.signal.aborted) return this.#closed.signal.reason;
    const { code, message } = error as NodeJS.ErrnoException;
    const text = `driver "${this.#driver}": connect: ${code ?? message}`;
    return new HostError('Unavailable', 'DRIVER_UNAVAILABLE', text, {
      cause: error,
      hint: `start the driver that listens at ${this.#address.url}`,
      details: { plugin: this.#driver, address: this.#address.url },
    });
  }

  #lost(name: string, error: RpcLost): HostError {
    if (error.nonsense) return this.#badAnswer(name, error.message);
    const text = `driver "${this.#driver}": ${name}: ${messageChain(error)}`;
    return new HostError('Unavailable', 'DRIVER_CONNECTION_LOST', text, {
      cause: error,
      details: { plugin: this.#driver, method: name, address: this.#address.url },
    });
  }

  #badAnswer(name: string, fault: string): HostError {
    const text = `driver "${this.#driver}": ${name}: ${fault}`;
    return new HostError('Unknown', 'DRIVER_BAD_ANSWER', text, {
      details: { plugin: this.#driver, method: name, address: this.#address.url },
    });
  }
}

class RpcActivation implements Activation {
  readonly implements: readonly string[];
  readonly version: string;
  readonly #methods: ReadonlyMap<string, ReadonlySet<string>>;

  constructor({ points, version }: ActivateResult) {
    this.implements = points.map(({ id }) => id);
    this.version = version;
    this.#methods = new Map(points.map(({ id, methods }) => [id, new Set(methods)]));
  }

  wordOf(point: ExtensionPoint<unknown>): string {
    return point.id;
  }

  methodsOf(point: ExtensionPoint<unknown>): ReadonlySet<string> | undefined {
    return this.#methods.get(point.id);
  }
}

/** `shared`, for one of those who wait for it. */
async function leftBy<T>(signal: AbortSignal, shared: Promise<T>): Promise<T> {
  if (signal.aborted) throw signal.reason;
  const { promise: left, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([shared, left]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function unknownMethod(point: ExtensionPoint<unknown>, method: string): HostError {
  return new HostError(
    'NotImplemented',
    'DRIVER_METHOD_ABSENT',
    `${point.id} has no "${method}" on JSON-RPC`,
  );
}
