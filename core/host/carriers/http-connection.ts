/** One connection to a plugin: one exchange at a time, and then, when the answer allows, the next. */
import type { Socket } from 'node:net';
import { type AnswerLimits, AnswerReader, type HttpAnswer } from './http-answer.ts';

/** The connection failed under an exchange. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
  /** The plugin cannot have read the whole request: its end was closed before, with the request unread. */
  readonly unread: boolean;

  constructor(message: string, unread: boolean, cause?: unknown) {
    super(message, { cause });
    this.unread = unread;
  }
}

interface Exchange {
  readonly reader: AnswerReader;
  readonly resolve: (answer: HttpAnswer) => void;
  readonly reject: (error: unknown) => void;
  answering: boolean;
}

export class HttpConnection {
  readonly #socket: Socket;
  readonly #limits: AnswerLimits | undefined;
  #exchange: Exchange | undefined;
  #open = true;
  /** Exchanges done. */
  used = 0;
  /** When the last exchange ended, on the clock of `performance.now()`. */
  idleSince = 0;

  constructor(socket: Socket, limits?: AnswerLimits) {
    this.#socket = socket;
    this.#limits = limits;
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('end', () => this.#end());
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(undefined));
  }

  get open(): boolean {
    return this.#open;
  }

  /** Rejects with ConnectionLost, MalformedAnswer, or the signal's reason; the connection is closed then. */
  exchange(request: string, signal: AbortSignal): Promise<HttpAnswer> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
    const onAbort = (): void => this.#finish((exchange) => exchange.reject(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    this.#exchange = { reader: new AnswerReader(this.#limits), resolve, reject, answering: false };
    this.#socket.ref();
    this.#socket.write(request);
    return promise.finally(() => signal.removeEventListener('abort', onAbort));
  }

  close(): void {
    this.#open = false;
    this.#socket.destroy();
  }

  #receive(bytes: Buffer): void {
    if (this.#exchange === undefined) {
      this.close(); // bytes that nobody asked for
      return;
    }
    this.#exchange.answering = true;
    this.#read((reader) => reader.push(bytes));
  }

  #end(): void {
    this.#open = false;
    if (this.#exchange?.answering) this.#read((reader) => reader.end());
    else this.#lost('the plugin closed the connection without an answer', false);
  }

  #read(read: (reader: AnswerReader) => HttpAnswer | undefined): void {
    try {
      const answer = this.#exchange && read(this.#exchange.reader);
      if (answer !== undefined) this.#answered(answer);
    } catch (error) {
      this.#finish((exchange) => exchange.reject(error));
    }
  }

  #answered(answer: HttpAnswer): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.used++;
    this.idleSince = performance.now();
    if (answer.reusable && this.#open) this.#socket.unref();
    else this.close();
    exchange?.resolve(answer);
  }

  #fail(error: NodeJS.ErrnoException | undefined): void {
    const answering = this.#exchange?.answering === true;
    // Linux answers EPIPE to a write after the peer closed, and ECONNRESET when it closed with our bytes unread.
    const unread = !answering && (error?.code === 'EPIPE' || error?.code === 'ECONNRESET');
    const when = answering ? 'in the middle of the answer' : 'before an answer';
    this.#lost(`the connection broke ${when}`, unread, error);
  }

  #lost(message: string, unread: boolean, cause?: unknown): void {
    this.#finish((exchange) => exchange.reject(new ConnectionLost(message, unread, cause)));
  }

  #finish(settle: (exchange: Exchange) => void): void {
    this.close();
    const exchange = this.#exchange;
    this.#exchange = undefined;
    if (exchange !== undefined) settle(exchange);
  }
}
