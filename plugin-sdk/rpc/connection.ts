/**
 * One JSON-RPC connection, for both ends of it: each may call the other, tell it something, or give a call up. Many calls
 * are under way at once, and are answered in any order.
 */
import type { Socket } from 'node:net';
import { HostError } from '../errors.ts';
import { errorFromWire, errorToWire } from './errors.ts';
import {
  errorLine,
  notificationLine,
  type RpcFault,
  type RpcId,
  type RpcMessage,
  readLine,
  requestLine,
  resultLine,
} from './json-rpc.ts';
import { LineReader, LineTooLong } from './lines.ts';

/** Notifications that belong to a call; `params.id` is the call's. */
export const CANCEL = '$/cancel';
export const PROGRESS = '$/progress';

export interface RpcLimits {
  /** Of one message, in bytes. */
  readonly lineBytes: number;
  /** Calls of the other side that are served at once; more are refused. */
  readonly serving: number;
  /** Bytes that the other side has not read yet; with more the connection is given up. */
  readonly unreadBytes: number;
}

export const RPC_LIMITS: RpcLimits = {
  lineBytes: 16 * 1024 * 1024,
  // Each running task of a runtime is one call, that of its end.
  serving: 4096,
  unreadBytes: 64 * 1024 * 1024,
};

/** The connection ended before the answer: what became of the call is not known. */
export class RpcLost extends Error {
  override readonly name = 'RpcLost';
  /** The other side spoke nonsense; else it is gone. */
  readonly nonsense: boolean;

  constructor(message: string, nonsense: boolean, cause?: unknown) {
    super(message, { cause });
    this.nonsense = nonsense;
  }
}

/** A call of the other side. */
export interface ServedCall {
  /** Aborts when the caller gives it up, or the connection ends. */
  readonly signal: AbortSignal;
  progress(value: object): void;
}

export interface RpcOptions {
  /** Answers a call of the other side; what it throws goes back with its kind and code. */
  readonly serve?: (method: string, params: unknown, call: ServedCall) => Promise<unknown>;
  readonly notified?: (method: string, params: unknown) => void;
  readonly limits?: Partial<RpcLimits>;
}

interface Asked {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onProgress: ((value: unknown) => void) | undefined;
}

export class RpcConnection {
  readonly #socket: Socket;
  readonly #options: RpcOptions;
  readonly #limits: RpcLimits;
  readonly #lines: LineReader;
  readonly #asked: Map<number, Asked> = new Map();
  readonly #serving: Map<RpcId, AbortController> = new Map();
  readonly #closed = Promise.withResolvers<void>();
  /** Of the next answer to be sent; made anew then. */
  #answered = Promise.withResolvers<void>();
  #lastId = 0;
  #lost: RpcLost | undefined;

  /** `socket` is connected; it belongs to the connection from now on. */
  constructor(socket: Socket, options: RpcOptions = {}) {
    this.#socket = socket;
    this.#options = options;
    this.#limits = { ...RPC_LIMITS, ...options.limits };
    this.#lines = new LineReader(this.#limits.lineBytes);
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('end', () => this.#end(new RpcLost('the other side closed the connection', false)));
    socket.on('error', (error) => this.#end(new RpcLost('the connection broke', false, error)));
    socket.on('close', () => this.#end(new RpcLost('the connection broke', false)));
  }

  get open(): boolean {
    return this.#lost === undefined;
  }

  /** Resolves when the connection has ended, for whatever reason. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Resolves when every call of the other side has been answered. */
  async drain(): Promise<void> {
    while (this.open && this.#serving.size > 0) await Promise.race([this.#answered.promise, this.closed]);
  }

  /**
   * Rejects with the other side's error, with RpcLost, or with the signal's reason: the other side is told then, and its
   * answer is not waited for.
   */
  request(
    method: string,
    params: object,
    { signal, onProgress }: { signal?: AbortSignal; onProgress?: (value: unknown) => void } = {},
  ): Promise<unknown> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#asked.set(id, { resolve, reject, onProgress });
    const onAbort = (): void => {
      if (!this.#asked.delete(id)) return;
      this.#send(notificationLine(CANCEL, { id }));
      reject(signal?.reason);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#send(requestLine(id, method, params));
    return promise.finally(() => signal?.removeEventListener('abort', onAbort));
  }

  /** Tells the other side; nothing comes back, and a connection that has ended takes it silently. */
  notify(method: string, params: object): void {
    this.#send(notificationLine(method, params));
  }

  /** Ends it at once: calls of either side fail. */
  close(): void {
    this.#end(new RpcLost('the connection was closed', false));
  }

  #receive(bytes: Buffer): void {
    try {
      for (const line of this.#lines.push(bytes)) this.#take(line);
    } catch (error) {
      if (!(error instanceof LineTooLong)) throw error;
      this.#giveUp(`the other side sent ${error.message}`);
    }
  }

  #take(line: string): void {
    const message = readLine(line);
    switch (message.type) {
      case 'request':
        void this.#answer(message);
        break;
      case 'notification':
        this.#notified(message);
        break;
      case 'result':
        this.#settle(message.id, ({ resolve }) => resolve(message.result));
        break;
      case 'error':
        if (message.id === null) this.#giveUp(`the other side understood nothing: ${message.error.message}`);
        else this.#settle(message.id, ({ reject }) => reject(errorFromWire(message.error)));
        break;
      case 'nonsense':
        this.#refuse(message.fault, line);
    }
  }

  /** The reader of nonsense cannot know what else it has missed: it says so, and hangs up. */
  #refuse(fault: RpcFault, line: string): void {
    this.#send(errorLine(null, fault));
    this.#giveUp(`the other side sent what is no message: ${JSON.stringify(line.slice(0, 80))}`);
  }

  async #answer({ id, method, params }: RpcMessage & { type: 'request' }): Promise<void> {
    const abort = new AbortController();
    try {
      if (this.#serving.size >= this.#limits.serving) throw tooMany(this.#limits.serving);
      if (this.#serving.has(id)) throw usedTwice(id);
      this.#serving.set(id, abort);
    } catch (error) {
      this.#send(errorLine(id, errorToWire(error)));
      return;
    }
    try {
      const { serve = unknownMethod } = this.#options;
      const progress = (value: object): void => {
        if (this.#serving.get(id) === abort) this.notify(PROGRESS, { ...value, id });
      };
      this.#send(resultLine(id, await serve(method, params, { signal: abort.signal, progress })));
    } catch (error) {
      this.#send(errorLine(id, errorToWire(error)));
    } finally {
      this.#serving.delete(id);
      this.#answered.resolve();
      this.#answered = Promise.withResolvers();
    }
  }

  #notified({ method, params }: RpcMessage & { type: 'notification' }): void {
    const { id } = (params ?? {}) as { id?: RpcId };
    if (method === CANCEL) this.#serving.get(id ?? null)?.abort(gaveUp());
    else if (method === PROGRESS) this.#asked.get(id as number)?.onProgress?.(params);
    else this.#options.notified?.(method, params);
  }

  /** The answer to a call that was given up finds nobody. */
  #settle(id: RpcId, settle: (asked: Asked) => void): void {
    const asked = this.#asked.get(id as number);
    if (asked === undefined) return;
    this.#asked.delete(id as number);
    settle(asked);
  }

  #send(line: string): void {
    if (this.#lost !== undefined || !this.#socket.writable) return;
    this.#socket.write(line);
    if (this.#socket.writableLength > this.#limits.unreadBytes) {
      this.#giveUp(`the other side has not read ${this.#socket.writableLength} bytes`);
    }
  }

  #giveUp(why: string): void {
    this.#end(new RpcLost(why, true));
  }

  #end(lost: RpcLost): void {
    if (this.#lost !== undefined) return;
    this.#lost = lost;
    // What was written last, such as why it ends, still goes out.
    this.#socket.end();
    this.#socket.destroySoon();
    for (const { reject } of this.#asked.values()) reject(lost);
    this.#asked.clear();
    for (const abort of this.#serving.values()) abort.abort(gaveUp());
    this.#closed.resolve();
  }
}

/** What a caller that left is to the one it called. */
function gaveUp(): HostError {
  return new HostError('Canceled', 'CANCELED', 'the caller went away');
}

function tooMany(limit: number): HostError {
  return new HostError('ResourceExhausted', 'RPC_BUSY', `more than ${limit} calls at once`);
}

function usedTwice(id: RpcId): HostError {
  return new HostError('InvalidArgument', 'BAD_REQUEST', `the id ${JSON.stringify(id)} is used already`);
}

async function unknownMethod(method: string): Promise<never> {
  throw new HostError('NotImplemented', 'DRIVER_METHOD_ABSENT', `unknown method "${method}"`);
}
