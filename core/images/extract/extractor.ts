/** Layer extraction off the main thread: at most a few worker threads, made when needed and let go when idle. */
import { Worker } from 'node:worker_threads';
import type { LayerForm } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import { type ErrorKind, HostError } from '@gantry/plugin-sdk/errors.ts';
import { giveBackMemory } from '@gantry/plugin-sdk/system/memory.ts';

/** The one place that names the worker's file; the bundle puts it beside itself. */
export const extractWorkerUrl = new URL(
  import.meta.url.endsWith('.ts') ? './extract-worker.ts' : './extract-worker.js',
  import.meta.url,
);

export interface ExtractJob {
  /** File with the layer's tar, plain or compressed. */
  readonly blobPath: string;
  readonly dir: string;
  readonly form: LayerForm;
}

/** Of the uncompressed tar. */
export interface Extracted {
  readonly diffId: string;
  readonly sizeBytes: number;
}

export type ExtractMessage =
  | { readonly readBytes: number }
  | { readonly done: Extracted }
  | { readonly failed: ExtractFailure };

/** A HostError's parts: the class itself does not cross the border between threads. */
export interface ExtractFailure {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface ExtractCall {
  readonly signal?: AbortSignal | undefined;
  /** More of the blob's bytes have been read. */
  readonly onRead?: ((bytes: number) => void) | undefined;
}

export interface ExtractorOptions {
  readonly workerUrl?: URL;
  readonly workers?: number;
  readonly idleMs?: number;
}

export class LayerExtractor {
  readonly #workerUrl: URL;
  readonly #idleMs: number;
  readonly #idle = new Map<Worker, NodeJS.Timeout>();
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor({ workerUrl = extractWorkerUrl, workers = 2, idleMs = 5_000 }: ExtractorOptions = {}) {
    this.#workerUrl = workerUrl;
    this.#idleMs = idleMs;
    this.#free = workers;
  }

  /** Errors: InvalidArgument for what is wrong with the layer, ResourceExhausted (disk full), Canceled. */
  async extract(job: ExtractJob, call: ExtractCall = {}): Promise<Extracted> {
    await this.#slot();
    try {
      call.signal?.throwIfAborted();
      const worker = this.#takeIdle() ?? this.#make();
      return await this.#run(worker, job, call);
    } finally {
      this.#free += 1;
      this.#waiting.shift()?.();
    }
  }

  /** Ends idle workers; jobs under way end by their own signal. */
  async close(): Promise<void> {
    await Promise.all([...this.#idle.keys()].map((worker) => this.#retire(worker)));
  }

  async #slot(): Promise<void> {
    while (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#free -= 1;
  }

  async #run(worker: Worker, job: ExtractJob, call: ExtractCall): Promise<Extracted> {
    try {
      const done = await converse(worker, job, call);
      this.#rest(worker);
      return done;
    } catch (error) {
      // A worker that was stopped in the middle, or that failed, may still be writing: wait until it is gone.
      await worker.terminate();
      throw error;
    }
  }

  #make(): Worker {
    const worker = new Worker(this.#workerUrl);
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
    worker.unref();
    this.#idle.set(worker, setTimeout(() => void this.#retire(worker), this.#idleMs).unref());
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

function converse(worker: Worker, job: ExtractJob, { signal, onRead }: ExtractCall): Promise<Extracted> {
  const { promise, resolve, reject } = Promise.withResolvers<Extracted>();
  const onMessage = (message: ExtractMessage) => {
    if ('readBytes' in message) onRead?.(message.readBytes);
    else if ('done' in message) resolve(message.done);
    else reject(failureOf(message.failed));
  };
  const onError = (cause: unknown) => reject(lost(cause));
  const onExit = () => reject(lost(undefined));
  const onAbort = () => reject(signal?.reason);
  worker.on('message', onMessage).on('error', onError).on('exit', onExit);
  signal?.addEventListener('abort', onAbort);
  worker.postMessage(job);
  return promise.finally(() => {
    worker.off('message', onMessage).off('error', onError).off('exit', onExit);
    signal?.removeEventListener('abort', onAbort);
  });
}

function failureOf({ kind, code, message, hint, details }: ExtractFailure): HostError {
  return new HostError(kind, code, message, hint === undefined ? { details } : { hint, details });
}

function lost(cause: unknown): HostError {
  return new HostError('Internal', 'EXTRACT_WORKER_LOST', 'extract layer: the worker ended unexpectedly', {
    cause,
  });
}
