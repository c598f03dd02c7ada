/** Who waits for a container to end or to be gone. */

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

export interface WaitResult {
  readonly exitCode: number;
}

interface Waiter {
  readonly condition: WaitCondition;
  readonly resolve: (result: WaitResult) => void;
}

export class Waiters {
  readonly #byId = new Map<string, Set<Waiter>>();

  /** Resolves at the event, or rejects when `signal` aborts. */
  wait(id: string, condition: WaitCondition, signal: AbortSignal): Promise<WaitResult> {
    const { promise, resolve, reject } = Promise.withResolvers<WaitResult>();
    const waiter: Waiter = { condition, resolve };
    const all = this.#byId.get(id) ?? new Set();
    this.#byId.set(id, all.add(waiter));
    const leave = () => {
      all.delete(waiter);
      if (all.size === 0 && this.#byId.get(id) === all) this.#byId.delete(id);
    };
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    return promise.finally(() => {
      leave();
      signal.removeEventListener('abort', onAbort);
    });
  }

  exited(id: string, result: WaitResult): void {
    this.#tell(id, (condition) => condition !== 'removed', result);
  }

  /** Also ends those who wait for an exit that can no longer come. */
  removed(id: string, result: WaitResult): void {
    this.#tell(id, () => true, result);
  }

  #tell(id: string, concerns: (condition: WaitCondition) => boolean, result: WaitResult): void {
    for (const waiter of this.#byId.get(id) ?? []) {
      if (concerns(waiter.condition)) waiter.resolve(result);
    }
  }
}
