/**
 * What containers use, once a second: one sample of a container serves all who look at it, and whoever takes long to
 * read gets the newest next and none that he missed.
 */
import { readFileSync } from 'node:fs';
import { runtimePoint, type TaskStats } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { isKind } from '@gantry/plugin-sdk/errors.ts';
import type { Store } from '../../store/store.ts';
import type { Drivers } from '../drivers.ts';

const PERIOD_MS = 1_000;
const READ_MS = 5_000;
const NS_PER_TICK = 10_000_000;

/** One look at a running container. */
export interface Sample {
  /** RFC 3339. */
  readonly at: string;
  readonly task: TaskStats;
  /** Of all processors since the start of the machine, in nanoseconds. */
  readonly systemCpu: number;
  readonly processors: number;
}

/** `current` is undefined while the container does not run; `before` is the sample before it, if there is one. */
export interface Reading {
  readonly current: Sample | undefined;
  readonly before: Sample | undefined;
}

interface Watched {
  readonly readers: Set<Reader>;
  timer: NodeJS.Timeout | undefined;
  last: Sample | undefined;
}

export class StatsSampler {
  readonly #store: Store;
  readonly #drivers: Drivers;
  readonly #watched = new Map<string, Watched>();

  constructor(store: Store, drivers: Drivers) {
    this.#store = store;
    this.#drivers = drivers;
  }

  /** A single look, at once. Errors: NotImplemented when the runtime cannot tell. */
  async once(id: string): Promise<Reading> {
    return { current: await this.#sample(id), before: undefined };
  }

  /** A reading each second until the container is removed or `signal` aborts; the first at once. */
  async *follow(id: string, signal: AbortSignal): AsyncGenerator<Reading> {
    const reader = new Reader(signal);
    const watched = this.#join(id, reader);
    try {
      for (;;) {
        const reading = await reader.next();
        if (!reading) return;
        yield reading;
      }
    } finally {
      this.#leave(id, watched, reader);
    }
  }

  #join(id: string, reader: Reader): Watched {
    const watched = this.#watched.get(id) ?? { readers: new Set(), timer: undefined, last: undefined };
    this.#watched.set(id, watched);
    watched.readers.add(reader);
    if (watched.readers.size === 1) void this.#tick(id, watched);
    return watched;
  }

  #leave(id: string, watched: Watched, reader: Reader): void {
    watched.readers.delete(reader);
    if (watched.readers.size > 0) return;
    clearTimeout(watched.timer);
    if (this.#watched.get(id) === watched) this.#watched.delete(id);
  }

  async #tick(id: string, watched: Watched): Promise<void> {
    const begun = performance.now();
    try {
      if (!this.#store.records.get('container', id)) {
        for (const reader of watched.readers) reader.end();
        return;
      }
      const before = watched.last;
      watched.last = await this.#sample(id);
      for (const reader of watched.readers) reader.give({ current: watched.last, before });
    } catch (error) {
      for (const reader of watched.readers) reader.fail(error);
      return;
    }
    if (watched.readers.size === 0) return;
    const wait = Math.max(0, PERIOD_MS - (performance.now() - begun));
    watched.timer = setTimeout(() => void this.#tick(id, watched), wait);
  }

  /** Undefined when it does not run. */
  async #sample(id: string): Promise<Sample | undefined> {
    const record = this.#store.records.get('container', id);
    if (record?.state.status !== 'running') return undefined;
    const driver = await this.#drivers.driver(runtimePoint, record.runtime);
    try {
      const task = await driver.stats?.({ id }, { signal: AbortSignal.timeout(READ_MS) });
      return task && { at: new Date().toISOString(), task, ...systemCpu() };
    } catch (error) {
      if (isKind(error, 'NotFound', 'FailedPrecondition')) return undefined;
      throw error;
    }
  }
}

/** Holds one reading for somebody. */
class Reader {
  readonly #signal: AbortSignal;
  #waiting: Reading | undefined;
  #error: unknown;
  #ended = false;
  #wake: () => void = () => {};

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', () => this.end());
    if (signal.aborted) this.#ended = true;
  }

  give(reading: Reading): void {
    this.#waiting = reading;
    this.#wake();
  }

  fail(error: unknown): void {
    this.#error = error;
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Undefined at the end. */
  async next(): Promise<Reading | undefined> {
    while (!this.#waiting && !this.#ended && this.#error === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    if (this.#signal.aborted) return undefined;
    if (this.#error !== undefined) throw this.#error;
    const reading = this.#waiting;
    this.#waiting = undefined;
    return reading;
  }
}

/** The first line of /proc/stat is the sum of the processors', in ticks, of which there are a hundred a second. */
function systemCpu(): { readonly systemCpu: number; readonly processors: number } {
  const lines = readFileSync('/proc/stat', 'latin1').split('\n');
  const ticks = (lines[0] ?? '').trim().split(/\s+/).slice(1, 8);
  return {
    systemCpu: ticks.reduce((sum, one) => sum + Number(one), 0) * NS_PER_TICK,
    processors: lines.filter((line) => /^cpu\d/.test(line)).length,
  };
}
