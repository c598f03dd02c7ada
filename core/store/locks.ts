/**
 * Writers of one object queue on its key, in the order they came. Keys are always taken in one global order (rank of
 * the kind, then name), so two writers that need several keys cannot wait for each other in a circle.
 */
import { HostError } from '@gantry/plugin-sdk/errors.ts';

const KIND_ORDER = ['container', 'image', 'snapshot', 'volume', 'network', 'endpoint'] as const;
export type LockKind = (typeof KIND_ORDER)[number];
export type LockKey = `${LockKind}/${string}`;

function rank(key: LockKey): number {
  return KIND_ORDER.indexOf(key.slice(0, key.indexOf('/')) as LockKind);
}

function inOrder(a: LockKey, b: LockKey): number {
  return rank(a) - rank(b) || (a < b ? -1 : a > b ? 1 : 0);
}

export class Locks {
  readonly #tails = new Map<LockKey, Promise<void>>();

  /**
   * Runs `work` with all `keys` held. Waiting ends with DeadlineExceeded when `signal` aborts; `work` itself is not cut
   * off. A caller that already holds keys may take more only of a later kind.
   */
  async hold<T>(
    keys: readonly LockKey[],
    signal: AbortSignal | undefined,
    work: () => Promise<T>,
  ): Promise<T> {
    const releases: (() => void)[] = [];
    try {
      for (const key of [...new Set(keys)].sort(inOrder)) releases.push(await this.#acquire(key, signal));
      return await work();
    } finally {
      for (const release of releases.reverse()) release();
    }
  }

  isHeld(key: LockKey): boolean {
    return this.#tails.has(key);
  }

  /** Keys that somebody holds or waits for. */
  heldKeys(): readonly LockKey[] {
    return [...this.#tails.keys()];
  }

  async #acquire(key: LockKey, signal: AbortSignal | undefined): Promise<() => void> {
    const before = this.#tails.get(key);
    const mine = Promise.withResolvers<void>();
    // The tail settles once this holder and all before it have let go, also when this one gives up waiting.
    const tail = before ? before.then(() => mine.promise) : mine.promise;
    this.#tails.set(key, tail);
    const release = () => {
      mine.resolve();
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    };
    try {
      if (before) await waitFor(before, key, signal);
    } catch (error) {
      mine.resolve();
      void tail.then(() => this.#tails.get(key) === tail && this.#tails.delete(key));
      throw error;
    }
    return release;
  }
}

async function waitFor(turn: Promise<void>, key: LockKey, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return turn;
  const gaveUp = Promise.withResolvers<never>();
  const onAbort = () =>
    gaveUp.reject(
      new HostError(
        'DeadlineExceeded',
        'OBJECT_BUSY',
        `wait for ${key}: another operation still works on it`,
        {
          hint: `see what it waits for with: gantry driver why ${key}`,
        },
      ),
    );
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await Promise.race([turn, gaveUp.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    gaveUp.promise.catch(() => {});
  }
}
