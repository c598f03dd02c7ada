/** Where a pump hands entries to. */
import type { LogDriver, LogInfo } from '@gantry/plugin-sdk/contracts/log.ts';
import type { Batch } from './batch.ts';
import type { JournalPosition } from './journal.ts';
import type { LogState } from './state-file.ts';

/** What is kept of a sink for after a crash. */
export type Noted = Partial<Pick<LogState, 'mark' | 'written' | 'plugin' | 'readLogs'>>;

export interface Sink {
  /** Has the driver begin, if it has not. Rejects with its words, or when it cannot be reached. */
  open(signal: AbortSignal): Promise<void>;
  /** Hands the entries on, and answers where in the segment it is to be read on. Rejects when they are to come again. */
  deliver(batch: Batch, segment: number, signal: AbortSignal): Promise<number>;
  /** Everything before was taken for good; at most what was handed on. */
  taken(handedOn: JournalPosition): JournalPosition;
  /** Everything that was handed on has left for the driver. */
  isEmpty(): boolean;
  /** Who was to take it is no more: what comes after `taken` is to be handed on again, when `drop` was called. */
  isReplaced(): boolean;
  note(): Noted;
  /** Nothing comes for now: the container has ended, and everything was handed on. A later `deliver` begins again. */
  close(handedOn: JournalPosition): Promise<void>;
  /** Lets go without a word to the driver. */
  drop(): void;
}

const CALL_MS = 5_000;

export type AppendDriver = LogDriver & Required<Pick<LogDriver, 'append'>>;

/** For drivers that take entries by a call. */
export class AppendSink implements Sink {
  readonly #driver: AppendDriver;
  readonly #info: LogInfo;
  #mark: string;
  #started = false;

  constructor(driver: AppendDriver, info: LogInfo, mark: string) {
    this.#driver = driver;
    this.#info = info;
    this.#mark = mark;
  }

  async open(signal: AbortSignal): Promise<void> {
    if (!this.#started) await this.#driver.start({ source: '', info: this.#info }, { signal });
    this.#started = true;
  }

  async deliver({ entries, ends, next }: Batch, _segment: number, signal: AbortSignal): Promise<number> {
    await this.open(signal);
    if (entries.length === 0) return next;
    const { containerId } = this.#info;
    const { taken, mark } = await this.#driver.append({ containerId, entries, mark: this.#mark }, { signal });
    this.#mark = mark;
    return taken === entries.length ? next : (ends[taken - 1] ?? next);
  }

  taken(handedOn: JournalPosition): JournalPosition {
    return handedOn;
  }

  isEmpty(): boolean {
    return true;
  }

  isReplaced(): boolean {
    return false;
  }

  note(): Noted {
    return { mark: this.#mark };
  }

  async close(): Promise<void> {
    if (!this.#started) return;
    this.#started = false;
    const { containerId } = this.#info;
    await this.#driver.stop({ source: '', containerId }, { signal: AbortSignal.timeout(CALL_MS) });
  }

  drop(): void {
    void this.close().catch(() => {});
  }
}
