/**
 * Work on trees off the main thread: a thread for each job under way, since a job may hang in the kernel, and only so many
 * of them, since a job may hang. Threads are made when needed and let go when idle.
 */
import { Worker } from 'node:worker_threads';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { giveBackMemory } from '@gantry/plugin-sdk/system/memory.ts';
import type { FromThread, PathStat, ToThread, TreeJob } from './jobs.ts';
import { WINDOW } from './talk.ts';

/** The one place that names the worker's file; the bundle puts it beside itself. */
export const treeWorkerUrl = new URL(
  import.meta.url.endsWith('.ts') ? './tree-worker.ts' : './tree-worker.js',
  import.meta.url,
);

export interface TreeThreadsOptions {
  readonly threads?: number;
  /** Of one owner at once. */
  readonly threadsOfOne?: number;
  /** How long a job may wait for its client while others wait for a place, and while none does; milliseconds. */
  readonly stalledWantedMs?: number;
  readonly stalledMs?: number;
  /** How long a job waits for a place. */
  readonly patienceMs?: number;
  readonly idleMs?: number;
}

export interface TreeCall {
  /** Whose tree it is: one owner does not take every place. */
  readonly owner: string;
  readonly signal: AbortSignal;
  /** The root is held: whatever becomes of the container, the job goes on. */
  readonly onOpened?: (stat: PathStat | undefined) => void;
  /** Takes the tar piece by piece; the next comes when it has resolved. */
  readonly output?: (chunk: Buffer) => Promise<void>;
  readonly input?: AsyncIterable<Buffer>;
}

/** After an order to stop, how long a thread may take before it counts as hung. */
const STOP_MS = 5_000;

export class TreeThreads {
  readonly #options: Required<TreeThreadsOptions>;
  readonly #idle = new Map<Worker, NodeJS.Timeout>();
  readonly #busy = new Map<string, number>();
  #free: number;
  #waiting = 0;
  #onFree: (() => void)[] = [];

  constructor(options: TreeThreadsOptions = {}) {
    const defaults = { stalledWantedMs: 15_000, stalledMs: 600_000, patienceMs: 30_000, idleMs: 10_000 };
    this.#options = { threads: 8, threadsOfOne: 3, ...defaults, ...options };
    this.#free = this.#options.threads;
  }

  /**
   * Errors: NotFound (`PATH_NOT_FOUND`), InvalidArgument, PermissionDenied, ResourceExhausted (the disk is full, or no
   * place came free), DeadlineExceeded (the client or the file system stood still), Canceled.
   */
  async run(job: TreeJob, call: TreeCall): Promise<void> {
    const release = await this.#place(call);
    const worker = this.#takeIdle() ?? this.#make();
    const state = { isAtRest: false };
    try {
      await this.#converse(worker, job, call, state);
    } finally {
      if (state.isAtRest || (await hasStopped(worker))) {
        release();
        this.#rest(worker);
      } else {
        // What hangs in the kernel keeps its place until it comes back.
        worker.once('exit', release);
        worker.unref();
        void worker.terminate();
      }
    }
  }

  /** Ends idle threads; jobs under way end by their own signal. */
  async close(): Promise<void> {
    await Promise.all([...this.#idle.keys()].map((worker) => this.#retire(worker)));
  }

  async #place({ owner, signal }: TreeCall): Promise<() => void> {
    const until = AbortSignal.any([signal, AbortSignal.timeout(this.#options.patienceMs)]);
    this.#waiting += 1;
    try {
      while (this.#free === 0 || (this.#busy.get(owner) ?? 0) >= this.#options.threadsOfOne)
        await this.#freed(until);
    } catch (error) {
      signal.throwIfAborted();
      throw new HostError('ResourceExhausted', 'TOO_MANY_COPIES', 'copy: too many copies are under way', {
        cause: error,
      });
    } finally {
      this.#waiting -= 1;
    }
    this.#free -= 1;
    this.#busy.set(owner, (this.#busy.get(owner) ?? 0) + 1);
    return () => {
      this.#free += 1;
      const left = (this.#busy.get(owner) ?? 1) - 1;
      if (left > 0) this.#busy.set(owner, left);
      else this.#busy.delete(owner);
      for (const wake of this.#onFree.splice(0)) wake();
    };
  }

  async #freed(until: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = () => reject(until.reason);
    until.addEventListener('abort', onAbort);
    if (until.aborted) onAbort();
    this.#onFree.push(resolve);
    await promise.finally(() => until.removeEventListener('abort', onAbort));
  }

  async #converse(worker: Worker, job: TreeJob, call: TreeCall, state: { isAtRest: boolean }): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const left = new AbortController();
    const onAbort = () => reject(call.signal.reason);
    const onLost = (cause: unknown) => {
      state.isAtRest = true;
      reject(lost(cause));
    };
    const feed = new Feed(worker, call.input, left.signal);
    let takes: Promise<void> = Promise.resolve();
    let movedAt = performance.now();
    const onMessage = (message: FromThread) => {
      movedAt = performance.now();
      state.isAtRest = 'done' in message || 'failed' in message;
      if ('opened' in message) call.onOpened?.(message.opened);
      else if ('taken' in message) feed.taken();
      else if ('failed' in message)
        reject(new HostError(message.failed.kind, message.failed.code, message.failed.message));
      else if ('done' in message) takes.then(resolve, reject);
      else {
        const chunk = Buffer.from(message.chunk.buffer, message.chunk.byteOffset, message.chunk.length);
        takes = takes.then(async () => {
          await call.output?.(chunk);
          movedAt = performance.now();
          tell(worker, { taken: true });
        });
        takes.catch(reject);
      }
    };
    const watch = setInterval(
      () => {
        const stalled = performance.now() - Math.max(movedAt, feed.movedAt);
        const limit = this.#waiting > 0 ? this.#options.stalledWantedMs : this.#options.stalledMs;
        if (stalled > limit) reject(stoodStill(stalled));
      },
      Math.min(1_000, this.#options.stalledWantedMs),
    );
    worker.on('message', onMessage).on('error', onLost).on('exit', onLost);
    call.signal.addEventListener('abort', onAbort);
    if (call.signal.aborted) onAbort();
    else tell(worker, { job });
    feed.run().catch(reject);
    try {
      await promise;
    } finally {
      clearInterval(watch);
      left.abort();
      worker.off('message', onMessage).off('error', onLost).off('exit', onLost);
      call.signal.removeEventListener('abort', onAbort);
    }
  }

  #make(): Worker {
    const worker = new Worker(treeWorkerUrl);
    worker.on('error', () => undefined); // told to whom it worked for; while idle it is nobody's
    worker.on('exit', () => this.#forget(worker));
    return worker;
  }

  #takeIdle(): Worker | undefined {
    const [worker] = this.#idle.keys();
    if (worker) this.#forget(worker);
    worker?.ref();
    return worker;
  }

  #rest(worker: Worker): void {
    if (worker.threadId < 0) return; // it has ended
    worker.unref();
    this.#idle.set(worker, setTimeout(() => void this.#retire(worker), this.#options.idleMs).unref());
  }

  async #retire(worker: Worker): Promise<void> {
    this.#forget(worker);
    await worker.terminate();
    giveBackMemory();
  }

  #forget(worker: Worker): void {
    clearTimeout(this.#idle.get(worker));
    this.#idle.delete(worker);
  }
}

/** Tells it to give up and lets it clean up; false when it hangs in the kernel. */
async function hasStopped(worker: Worker): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), STOP_MS);
  const onMessage = (message: FromThread) => {
    if ('done' in message || 'failed' in message) resolve(true);
  };
  worker.on('message', onMessage);
  tell(worker, { abort: true });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    worker.off('message', onMessage);
  }
}

/** Hands a job its input, a few pieces ahead. */
class Feed {
  movedAt = 0;
  readonly #worker: Worker;
  readonly #input: AsyncIterable<Buffer> | undefined;
  readonly #left: AbortSignal;
  #underWay = 0;
  #wake: (() => void) | undefined;

  constructor(worker: Worker, input: AsyncIterable<Buffer> | undefined, left: AbortSignal) {
    this.#worker = worker;
    this.#input = input;
    this.#left = left;
    left.addEventListener('abort', () => this.#wake?.());
  }

  taken(): void {
    this.#underWay -= 1;
    this.#wake?.();
  }

  async run(): Promise<void> {
    if (!this.#input) return;
    for await (const chunk of this.#input) {
      if (this.#left.aborted) return;
      this.movedAt = performance.now();
      this.#underWay += 1;
      tell(this.#worker, { chunk });
      while (this.#underWay >= WINDOW && !this.#left.aborted) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
    if (!this.#left.aborted) tell(this.#worker, { ended: true });
  }
}

function tell(worker: Worker, message: ToThread): void {
  worker.postMessage(message);
}

function lost(cause: unknown): HostError {
  const message = 'copy: the thread ended unexpectedly';
  return new HostError('Internal', 'TREE_THREAD_LOST', message, cause instanceof Error ? { cause } : {});
}

function stoodStill(ms: number): HostError {
  const message = `copy: nothing has moved for ${Math.round(ms / 1000)} s`;
  return new HostError('DeadlineExceeded', 'COPY_STALLED', message);
}
