/**
 * When to try again what waits for a driver: as soon as that driver appears, and by and by in any case, since one that
 * hangs or errs for a while never appears anew.
 */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;

export type OnAppear = (driver: string, tell: () => void) => () => void;

export class Retries {
  readonly #onAppear: OnAppear;
  readonly #again: () => Promise<void>;
  readonly #watched = new Map<string, () => void>();
  #timer: NodeJS.Timeout | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #ended = false;

  /** `again` tries everything that waits. */
  constructor(onAppear: OnAppear, again: () => Promise<void>) {
    this.#onAppear = onAppear;
    this.#again = again;
  }

  /** Something waits, for `drivers`; `soon`: time may mend it too. */
  wait(drivers: readonly string[], soon: boolean): void {
    if (this.#ended) return;
    for (const driver of drivers.filter((name) => !this.#watched.has(name))) {
      this.#watched.set(
        driver,
        this.#onAppear(driver, () => void this.#again()),
      );
    }
    if (soon) this.#timer ??= setTimeout(() => this.#tick(), this.#pauseMs).unref();
  }

  /** Nothing waits any more. */
  rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pauseMs = FIRST_PAUSE_MS;
    for (const stop of this.#watched.values()) stop();
    this.#watched.clear();
  }

  end(): void {
    this.rest();
    this.#ended = true;
  }

  #tick(): void {
    this.#timer = undefined;
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
    void this.#again();
  }
}
