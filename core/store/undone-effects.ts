/**
 * Effects undone in a way that a power cut could reverse: a directory renamed or removed. They stay on the books until
 * the file system's metadata is written out, some seconds later and many at once, since each by itself would cost a
 * journal commit. Until then a crash finds them unwanted and undoes them again.
 */
import type { HeldEffect } from './effect.ts';

const DELAY_MS = 3_000;

export class UndoneEffects {
  readonly #sync: () => Promise<void>;
  readonly #strike: (held: readonly HeldEffect[]) => Promise<void>;
  readonly #all = new Set<HeldEffect>();
  #waiting: HeldEffect[] = [];
  #timer: NodeJS.Timeout | undefined;
  #settling: Promise<void> = Promise.resolve();

  constructor(sync: () => Promise<void>, strike: (held: readonly HeldEffect[]) => Promise<void>) {
    this.#sync = sync;
    this.#strike = strike;
  }

  add(undone: readonly HeldEffect[]): void {
    if (undone.length === 0) return;
    this.#waiting.push(...undone);
    for (const held of undone) this.#all.add(held);
    this.#timer ??= setTimeout(() => void this.settle().catch(() => {}), DELAY_MS).unref();
  }

  /** Whether the effect is undone and on the books for that reason alone. */
  has(held: HeldEffect): boolean {
    return this.#all.has(held);
  }

  /** Writes out now and strikes what waited, after what another call is about to strike. */
  settle(): Promise<void> {
    const before = this.#settling.catch(() => {});
    this.#settling = before.then(() => this.#settleNow());
    return this.#settling;
  }

  async #settleNow(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const undone = this.#waiting;
    this.#waiting = [];
    if (undone.length === 0) return;
    try {
      await this.#sync();
      await this.#strike(undone);
      for (const held of undone) this.#all.delete(held);
    } catch (error) {
      this.add(undone);
      throw error;
    }
  }
}
