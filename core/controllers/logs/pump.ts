/**
 * Carries one container's output from its journal to its log driver. The journal is written whether anybody carries or
 * not: a driver that is slow, broken or away is a pump that waits, and tries again with growing pauses.
 */
import { statSync } from 'node:fs';
import path from 'node:path';
import { asHostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { Logger } from '@gantry/plugin-sdk/extension-point.ts';
import { BatchReader, LINE_WAIT_MS } from './batch.ts';
import { Journal, type JournalPosition } from './journal.ts';
import type { Sink } from './sink.ts';
import { type LogState, writeLogState } from './state-file.ts';

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 15_000;
const JOURNAL_NAME = 'container.log';
const STATE_NAME = 'log.state';

export function journalFileIn(dir: string): string {
  return path.join(dir, JOURNAL_NAME);
}

export function stateFileIn(dir: string): string {
  return path.join(dir, STATE_NAME);
}

export interface PumpOptions {
  readonly id: string;
  /** Directory of journal and state. */
  readonly dir: string;
  readonly state: LogState;
  /** Where to read on, when it is not from `state.taken`. */
  readonly from?: JournalPosition;
  readonly sink: Sink;
  /** What is kept of the journal after it was taken, in bytes. */
  readonly keptBytes: number;
  /** How far the driver may stay behind before the oldest lines are given up; undefined: as far as the disk goes. */
  readonly maxLagBytes: number | undefined;
  readonly log: Logger;
}

export class LogPump {
  readonly id: string;
  readonly sink: Sink;
  readonly #options: PumpOptions;
  readonly #journal: Journal;
  readonly #reader = new BatchReader();
  readonly #stopped = new AbortController();
  #dir: string;
  #handedOn: JournalPosition;
  #state: LogState;
  #running: Promise<void> | undefined;
  #again = false;
  /** The container runs no more: the journal ends where it does. */
  #final = false;
  #failures = 0;
  #pauseUntil = 0;
  #complained = '';
  #dropped = 0;
  /** Size of the journal when it was last read to its end. */
  #seenBytes = -1;
  #lineTimer: NodeJS.Timeout | undefined;

  constructor(options: PumpOptions) {
    this.id = options.id;
    this.sink = options.sink;
    this.#options = options;
    this.#dir = options.dir;
    this.#state = options.state;
    this.#handedOn = options.from ?? options.state.taken;
    this.#journal = new Journal(journalFileIn(options.dir), this.#handedOn);
    // After a power cut there may be less than was noted, or after somebody has emptied it.
    const size = statSync(this.#journal.pathOf(this.#handedOn.segment), { throwIfNoEntry: false })?.size ?? 0;
    if (size < this.#handedOn.offset) this.#handedOn = { ...this.#handedOn, offset: size };
  }

  get journal(): Journal {
    return this.#journal;
  }

  get dir(): string {
    return this.#dir;
  }

  get readLogs(): boolean {
    return this.sink.note().readLogs ?? false;
  }

  /** What stands in the driver's way, in words; '' when nothing does. */
  get trouble(): string {
    return this.#complained;
  }

  /** Bytes of the journal that the driver has not taken. */
  get lag(): number {
    return this.#journal.bytesAfter(this.#taken);
  }

  get #taken(): JournalPosition {
    return this.sink.taken(this.#handedOn);
  }

  /** The container runs (again), or does not. */
  setFinal(final: boolean): void {
    this.#final = final;
  }

  /** Everything is taken, as far as there is anything. */
  get isDone(): boolean {
    return (
      this.#running === undefined && this.sink.isEmpty() && this.#journal.bytesAfter(this.#handedOn) === 0
    );
  }

  /** Now and then: hands on what has come, forgets what was taken. Never rejects, never waits. */
  tick(): void {
    if (this.sink.isReplaced()) this.restart();
    this.#note();
    if (performance.now() >= this.#pauseUntil && this.#mayHaveMore()) void this.run();
  }

  #mayHaveMore(): boolean {
    if (this.#final) return this.#journal.bytesAfter(this.#handedOn) > 0;
    return (this.#journal.size() ?? 0) !== this.#seenBytes;
  }

  /** The driver is there again. */
  restart(): void {
    const { taken } = this.#state;
    this.sink.drop();
    this.#handedOn = this.sink.taken(taken);
    this.#pauseUntil = 0;
    this.#seenBytes = -1;
    void this.run();
  }

  /** Hands on what there is. Never rejects; `trouble` says what stood in the way. */
  run(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#runAll().finally(() => {
      this.#reader.rest();
      this.#running = undefined;
    });
    return this.#running;
  }

  /** As `run`, but leaves it behind after `ms`. */
  async runFor(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    await Promise.race([this.run(), promise]);
    clearTimeout(timer);
  }

  /** Nothing is handed on any more. What was not, stays in the journal. */
  stop(): void {
    this.#stopped.abort();
    clearTimeout(this.#lineTimer);
    this.#note();
    this.sink.drop();
  }

  /** Moves journal and state elsewhere, and goes on there. */
  moveTo(dir: string, move: (from: string, to: string) => void): void {
    this.#journal.moveTo(dir);
    move(stateFileIn(this.#dir), stateFileIn(dir));
    this.#dir = dir;
  }

  /** Everything was taken and the container has ended: the journal may go. */
  clear(): void {
    if (this.#options.keptBytes > 0 || this.#journal.paths().length === 0) return;
    this.#handedOn = this.#journal.next;
    this.#save({ ...this.#state, ...this.sink.note(), taken: this.#handedOn, written: this.#handedOn });
    this.#journal.removeAll();
  }

  /** Ends the driver's part, for now. */
  async close(): Promise<void> {
    await this.sink.close(this.#handedOn);
    this.#note();
  }

  async #runAll(): Promise<void> {
    while (this.#again && !this.#stopped.signal.aborted) {
      this.#again = false;
      try {
        while (await this.#step()) this.#worked();
        this.#worked();
      } catch (error) {
        if (this.#stopped.signal.aborted) return;
        if (this.sink.isReplaced()) this.restart();
        else this.#failed(error);
      }
    }
  }

  /** Hands one batch on; false when there is nothing more for now. */
  async #step(): Promise<boolean> {
    this.#giveUpOldest();
    const { segment, offset } = this.#handedOn;
    const next = this.#journal.after(segment);
    const isLast = next === undefined;
    const sizeBefore = this.#journal.size() ?? 0;
    const final = this.#final || !isLast;
    const batch = await this.#reader.read(this.#journal.pathOf(segment), offset, final);
    if (!batch || (batch.next === offset && batch.entries.length === 0)) {
      if (batch?.waits) this.#lookAgain();
      else if (isLast) this.#seenBytes = sizeBefore;
      if (next !== undefined) this.#handedOn = { segment: next, offset: 0 };
      this.#note();
      return next !== undefined;
    }
    const to = await this.sink.deliver(batch, segment, this.#stopped.signal);
    if (this.#handedOn.segment === segment && this.#handedOn.offset === offset) {
      this.#handedOn = { segment, offset: to };
    }
    this.#note();
    return true;
  }

  /** A line waits for its end. */
  #lookAgain(): void {
    clearTimeout(this.#lineTimer);
    this.#lineTimer = setTimeout(() => void this.run(), LINE_WAIT_MS).unref();
  }

  /** Only when the user or the operator has said that lines may be lost. */
  #giveUpOldest(): void {
    const { maxLagBytes, log } = this.#options;
    if (maxLagBytes === undefined) return;
    const excess = this.#journal.bytesAfter(this.#handedOn) - maxLagBytes;
    if (excess <= 0) return;
    const before = this.#handedOn;
    this.#handedOn = this.#journal.lineAfter(before, excess);
    this.#dropped += excess;
    log.warn(
      { container: this.id, bytes: excess, total: this.#dropped },
      'log lines given up: the log driver is behind',
    );
  }

  #worked(): void {
    this.#failures = 0;
    this.#pauseUntil = 0;
    if (this.#complained !== '')
      this.#options.log.info({ container: this.id }, 'log driver takes lines again');
    this.#complained = '';
  }

  #failed(error: unknown): void {
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures++, LONGEST_PAUSE_MS);
    this.#pauseUntil = performance.now() + pause;
    const words = messageChain(asHostError(error));
    if (words === this.#complained) return;
    this.#complained = words;
    this.#options.log.warn({ container: this.id, error: words }, 'log driver does not take lines; they wait');
  }

  /** Writes down how far it has come, and forgets the journal before that. */
  #note(): void {
    const taken = this.#taken;
    const state = { ...this.#state, ...this.sink.note(), taken };
    if (JSON.stringify(state) === JSON.stringify(this.#state)) return;
    this.#save(state);
    this.#journal.removeBefore(taken.segment, this.#options.keptBytes);
  }

  #save(state: LogState): void {
    this.#state = state;
    try {
      writeLogState(stateFileIn(this.#dir), state);
    } catch (error) {
      // Without room for its first text, or its directory has just gone: lines may come twice after a crash.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      this.#options.log.warn({ container: this.id, error: messageChain(error) }, 'log position not noted');
    }
  }
}
