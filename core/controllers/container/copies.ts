/** Work on containers' files under way: it ends with the run of the container that it looks into. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { TreeThreads } from '../../trees/tree-threads.ts';

interface Copy {
  readonly abort: (reason: HostError) => void;
  readonly done: Promise<unknown>;
}

export class Copies {
  readonly threads: TreeThreads;
  readonly #running = new Map<string, Set<Copy>>();

  constructor(threads = new TreeThreads()) {
    this.threads = threads;
  }

  /** Runs `work` with a signal that also aborts when the container's run ends. */
  track<T>(id: string, signal: AbortSignal, work: (within: AbortSignal) => Promise<T>): Promise<T> {
    const ends = new AbortController();
    const done = work(AbortSignal.any([signal, ends.signal]));
    const copy = { abort: (reason: HostError) => ends.abort(reason), done };
    const ofOne = this.#running.get(id) ?? new Set();
    this.#running.set(id, ofOne.add(copy));
    return done.finally(() => {
      ofOne.delete(copy);
      if (ofOne.size === 0 && this.#running.get(id) === ofOne) this.#running.delete(id);
    });
  }

  /** Ends what looks into the container's run: its mounts, held by a copy, would keep volumes busy. */
  async end(id: string): Promise<void> {
    const all = [...(this.#running.get(id) ?? [])];
    for (const { abort } of all)
      abort(new HostError('Conflict', 'NOT_RUNNING', 'the container has ended meanwhile'));
    await Promise.allSettled(all.map(({ done }) => done));
  }
}
