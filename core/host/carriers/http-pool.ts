/** The connections to one plugin. Reuses idle ones, the last used first, and replays a request that cannot have been read. */
import type { Socket } from 'node:net';
import type { AnswerLimits, HttpAnswer } from './http-answer.ts';
import { ConnectionLost, HttpConnection } from './http-connection.ts';

/** The plugin could not be reached: nothing was sent. */
export class DialFailed extends Error {
  override readonly name = 'DialFailed';
}

/** Closed after this, so that a plugin that serves one connection at a time is not held up for long. */
const IDLE_MS = 10_000;
/**
 * Some plugins close after each answer and do not say so, and on a busy machine that is seen late. Until one has kept a
 * connection for this long, none is used again, and few are held.
 */
const UNPROVEN_MS = 100;
const UNPROVEN_HELD = 8;

export class HttpPool {
  readonly #dial: (signal: AbortSignal) => Promise<Socket>;
  readonly #limits: AnswerLimits | undefined;
  readonly #idle: HttpConnection[] = [];
  #sweep: NodeJS.Timeout | undefined;
  #closed = false;
  #keepsConnections = false;

  constructor(dial: (signal: AbortSignal) => Promise<Socket>, limits?: AnswerLimits) {
    this.#dial = dial;
    this.#limits = limits;
  }

  /** Rejects with DialFailed, ConnectionLost, MalformedAnswer, or the signal's reason. */
  async exchange(request: string, signal: AbortSignal): Promise<HttpAnswer> {
    const reused = await this.#takeIdle();
    if (reused !== undefined) {
      try {
        return await this.#on(reused, request, signal);
      } catch (error) {
        if (!(error instanceof ConnectionLost && error.unread)) throw error;
      }
    }
    return this.#on(await this.#fresh(signal), request, signal);
  }

  /** Closes idle connections; those in use close when their exchange ends. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#sweep);
    for (const connection of this.#idle.splice(0)) connection.close();
  }

  async #on(connection: HttpConnection, request: string, signal: AbortSignal): Promise<HttpAnswer> {
    const answer = await connection.exchange(request, signal);
    if (connection.used > 1) this.#keepsConnections = true;
    if (this.#closed) connection.close();
    else if (connection.open) this.#keep(connection);
    return answer;
  }

  /** Gives each one turn of the event loop to show that the plugin has closed it: a request must not go out then. */
  async #takeIdle(): Promise<HttpConnection | undefined> {
    for (let next = this.#nextIdle(); next !== undefined; next = this.#nextIdle()) {
      if (next.open) await new Promise((turn) => setImmediate(turn));
      if (next.open) return next;
      this.#keepsConnections = false;
    }
    return undefined;
  }

  #nextIdle(): HttpConnection | undefined {
    if (this.#keepsConnections) return this.#idle.pop();
    const oldest = this.#idle[0];
    const watched = oldest !== undefined && performance.now() - oldest.idleSince > UNPROVEN_MS;
    return watched ? this.#idle.shift() : undefined;
  }

  async #fresh(signal: AbortSignal): Promise<HttpConnection> {
    try {
      return new HttpConnection(await this.#dial(signal), this.#limits);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const { code, message } = error as NodeJS.ErrnoException;
      throw new DialFailed(`connect: ${code ?? message}`, { cause: error });
    }
  }

  #keep(connection: HttpConnection): void {
    if (!this.#keepsConnections && this.#idle.length >= UNPROVEN_HELD) {
      connection.close();
      return;
    }
    this.#idle.push(connection);
    this.#sweep ??= setTimeout(() => this.#closeStale(), IDLE_MS).unref();
  }

  #closeStale(): void {
    this.#sweep = undefined;
    const oldest = performance.now() - IDLE_MS;
    const fresh: HttpConnection[] = [];
    for (const connection of this.#idle.splice(0)) {
      if (connection.open && connection.idleSince > oldest) fresh.push(connection);
      else connection.close();
    }
    for (const connection of fresh) this.#keep(connection);
  }
}
