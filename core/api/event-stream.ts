/** Events on their way to one client: what it has asked for of the past, then what comes, at the pace that it reads. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { EventMessage } from '../events/event.ts';

/** What a client may leave unread, beside the past, before it is cut off. */
const MAX_UNREAD_BYTES = 1024 * 1024;

export class EventStream {
  readonly #res: ServerResponse;
  readonly #encode: (event: EventMessage) => string;
  readonly #queue: EventMessage[];
  #queued: number;
  readonly #most: number;
  #pumping: Promise<void> | undefined;

  constructor(res: ServerResponse, encode: (event: EventMessage) => string, past: readonly EventMessage[]) {
    this.#res = res;
    this.#encode = encode;
    this.#queue = [...past];
    this.#queued = past.reduce((sum, { text }) => sum + text.length, 0);
    this.#most = this.#queued + MAX_UNREAD_BYTES;
    this.#pump();
  }

  send(event: EventMessage): void {
    this.#queue.push(event);
    this.#queued += event.text.length;
    if (this.#queued > this.#most) this.#res.destroy();
    this.#pump();
  }

  /** Resolves when the client has everything, or has left. */
  async end(): Promise<void> {
    await this.#pumping;
    this.#res.end();
  }

  #pump(): void {
    this.#pumping ??= this.#drain().finally(() => {
      this.#pumping = undefined;
    });
  }

  async #drain(): Promise<void> {
    for (let event = this.#queue.shift(); event; event = this.#queue.shift()) {
      this.#queued -= event.text.length;
      if (this.#res.destroyed) return;
      if (this.#res.write(this.#encode(event))) continue;
      await Promise.race([once(this.#res, 'drain'), once(this.#res, 'close')]).catch(() => {});
    }
  }
}
