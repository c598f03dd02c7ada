/**
 * Who counts on which piece of content, so that collecting what nobody uses and taking in what somebody wants go on side
 * by side: what is held is not removed, and who holds a piece that is being removed waits until it is gone.
 */
export class Holds {
  readonly #counts = new Map<string, number>();
  /** Work under way by id: two on one piece take turns. */
  readonly #turns = new Map<string, Promise<unknown>>();

  /** Counts at once. Resolves when a removal under way has ended, so that the holder looks only then what is there. */
  async hold(id: string): Promise<void> {
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    await this.#turns.get(id)?.catch(() => {});
  }

  /** Answers whether that was the last hold. */
  release(id: string): boolean {
    const left = (this.#counts.get(id) ?? 1) - 1;
    if (left > 0) this.#counts.set(id, left);
    else this.#counts.delete(id);
    return left <= 0;
  }

  isHeld(id: string): boolean {
    return this.#counts.has(id);
  }

  /** Runs `work` after whatever works on `id` now. */
  async inTurn<T>(id: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(id) ?? Promise.resolve()).then(work, work);
    this.#turns.set(id, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(id) === turn) this.#turns.delete(id);
    }
  }

  /** Runs `remove` unless `id` is held or still used, told in its turn. */
  async removeUnheld(id: string, isUsed: () => boolean, remove: () => Promise<void>): Promise<void> {
    if (this.isHeld(id)) return;
    await this.inTurn(id, async () => {
      if (!this.isHeld(id) && !isUsed()) await remove();
    });
  }
}
