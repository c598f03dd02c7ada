/**
 * A log driver that takes entries by `append`, for hosts that speak Docker's protocol: they hand entries on through a
 * FIFO and never call `append`. What was read and could not be appended is tried again while the container runs.
 */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { LogDriver, LogEntry } from '../contracts/log.ts';
import { EntryDecoder } from '../logs/entry-frames.ts';

const READ_BYTES = 64 * 1024;
/** Entries that wait for the driver; with more the FIFO is left to fill, and the host waits. */
const MOST_WAITING = 1024;
const AGAIN_MS = 1_000;

export function readingFifo(driver: LogDriver): LogDriver {
  const { append, capabilities, start, stop } = driver;
  if (!append) return driver;
  const readers = new Map<string, FifoReader>();
  return {
    // What it keeps is in files, which no host of this protocol asks for.
    capabilities: async (request, call) => ({ ...(await capabilities(request, call)), readLogs: false }),
    start: async ({ source, info }, call) => {
      await driver.check?.({ options: info.options }, call);
      await start({ source: '', info }, call);
      const take: Take = (entries, mark, signal) =>
        append({ containerId: info.containerId, entries, mark }, { signal });
      readers.set(source, new FifoReader(source, info.containerId, take));
    },
    stop: async ({ source }, call) => {
      const reader = readers.get(source);
      readers.delete(source);
      await reader?.close();
      if (reader) await stop({ source: '', containerId: reader.containerId }, call);
    },
  };
}

type Take = (
  entries: readonly LogEntry[],
  mark: string,
  signal: AbortSignal,
) => Promise<{ taken: number; mark: string }>;

class FifoReader {
  readonly containerId: string;
  readonly #source: string;
  readonly #take: Take;
  readonly #fifo: Socket;
  readonly #decoder = new EntryDecoder();
  readonly #stop = new AbortController();
  #waiting: LogEntry[] = [];
  #mark = '';
  #appending: Promise<void> | undefined;

  /** Throws the system's error when there is no such FIFO. Never waits for a writer. */
  constructor(source: string, containerId: string, take: Take) {
    this.containerId = containerId;
    this.#source = source;
    this.#take = take;
    const fd = openSync(source, constants.O_RDONLY | constants.O_NONBLOCK);
    this.#fifo = new Socket({ fd, readable: true, writable: false });
    this.#fifo.on('data', (bytes) => this.#read(bytes));
    this.#fifo.on('error', () => this.#fifo.destroy());
  }

  /** The host has written all: what is still in the pipe is read first. It may keep its end open. */
  async close(): Promise<void> {
    for (let left: unknown = this.#fifo.read(); left instanceof Buffer; left = this.#fifo.read())
      this.#read(left);
    for (const bytes of restOf(this.#source)) this.#read(bytes);
    this.#fifo.destroy();
    this.#stop.abort();
    await this.#appending;
  }

  #read(bytes: Buffer): void {
    try {
      this.#waiting.push(...this.#decoder.push(bytes));
    } catch {
      this.#fifo.destroy(); // no frames: nothing that follows can be told apart
    }
    if (this.#waiting.length > MOST_WAITING) this.#fifo.pause();
    this.#appending ??= this.#append().finally(() => {
      this.#appending = undefined;
    });
  }

  async #append(): Promise<void> {
    while (this.#waiting.length > 0) {
      const { signal } = this.#stop;
      try {
        const { taken, mark } = await this.#take(this.#waiting, this.#mark, AbortSignal.timeout(60_000));
        this.#waiting = this.#waiting.slice(taken);
        this.#mark = mark;
      } catch {
        if (signal.aborted) return; // the container is gone, and so is the last try
        await delay(AGAIN_MS, undefined, { signal }).catch(() => undefined);
      }
      if (this.#waiting.length <= MOST_WAITING) this.#fifo.resume();
    }
  }
}

/** What is in the pipe now, by a descriptor of its own: the other may be paused. */
function* restOf(source: string): Generator<Buffer> {
  let fd: number;
  try {
    fd = openSync(source, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return; // the host has removed it already
  }
  try {
    for (;;) {
      const bytes = Buffer.allocUnsafe(READ_BYTES);
      const count = readSync(fd, bytes);
      if (count === 0) return;
      yield bytes.subarray(0, count);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
  } finally {
    closeSync(fd);
  }
}
