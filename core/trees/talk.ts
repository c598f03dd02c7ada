/** A thread's side of the talk with the main thread: chunks both ways, each side so far ahead of the other and no further. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { FromThread, PathStat, ToThread } from './jobs.ts';

/** Chunks that may be under way. */
export const WINDOW = 4;

export class Talk {
  readonly #say: (message: FromThread) => void;
  #underWay = 0;
  #queue: Buffer[] = [];
  #hasEnded = false;
  #isAborted = false;
  #wake: (() => void) | undefined;
  #sinceTurn = 0;

  constructor(say: (message: FromThread) => void) {
    this.#say = say;
  }

  begin(): void {
    this.#underWay = 0;
    this.#queue = [];
    this.#hasEnded = false;
    this.#isAborted = false;
  }

  hear(message: Exclude<ToThread, { job: unknown }>): void {
    if ('chunk' in message)
      this.#queue.push(Buffer.from(message.chunk.buffer, message.chunk.byteOffset, message.chunk.length));
    else if ('taken' in message) this.#underWay -= 1;
    else if ('ended' in message) this.#hasEnded = true;
    else this.#isAborted = true;
    this.#wake?.();
  }

  /** The root is open; of a path, what it is. */
  opened(stat?: PathStat): void {
    this.#say({ opened: stat });
  }

  /** Throws when the main thread has given up. */
  check(): void {
    if (this.#isAborted) throw new HostError('Canceled', 'CANCELED', 'the copy was given up');
  }

  async send(chunk: Buffer): Promise<void> {
    while (this.#underWay >= WINDOW) await this.#change();
    this.check();
    this.#underWay += 1;
    this.#say({ chunk });
    // Messages are heard only between turns of the loop.
    if (++this.#sinceTurn % WINDOW === 0) await new Promise((resolve) => setImmediate(resolve));
  }

  async *input(): AsyncGenerator<Buffer> {
    for (;;) {
      const chunk = this.#queue.shift();
      if (chunk) {
        yield chunk;
        this.#say({ taken: true });
      } else if (this.#hasEnded) return;
      else await this.#change();
      this.check();
    }
  }

  async #change(): Promise<void> {
    this.check();
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
    this.check();
  }
}
