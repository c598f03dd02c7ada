/**
 * Blobs on their way from registries, each once however many want it: whoever comes later joins. A few at a time; one
 * that nobody waits for any more is given up, and what it has brought is kept for the next time.
 */
import { isHostError } from '@gantry/plugin-sdk/errors.ts';
import { download } from '../../registry/client/download.ts';
import type { Descriptor } from '../../registry/client/manifest.ts';
import type { Repository } from '../../registry/client/repository.ts';
import type { ContentStore } from './content.ts';
import type { ReportLayer } from './progress.ts';

interface Fetch {
  readonly done: Promise<void>;
  readonly giveUp: AbortController;
  readonly reports: Set<ReportLayer>;
}

export interface FetchCall {
  readonly report: ReportLayer;
  readonly signal: AbortSignal;
}

export class Downloads {
  readonly #content: ContentStore;
  readonly #concurrent: () => number;
  readonly #fetches = new Map<string, Fetch>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** `concurrent`: how many may be under way at once, as it is wanted at that moment. */
  constructor(content: ContentStore, concurrent: () => number) {
    this.#content = content;
    this.#concurrent = concurrent;
  }

  /**
   * Resolves when the blob is verified, and in the store or among its partial blobs; the caller holds it there. Leaving
   * ends it for the others only when nobody is left.
   */
  async fetch(repository: Repository, blob: Descriptor, { report, signal }: FetchCall): Promise<void> {
    signal.throwIfAborted();
    const known = this.#fetches.get(blob.digest);
    // One that is being given up is of use to nobody; its file is free once it has ended.
    const fetch = known && !known.giveUp.signal.aborted ? known : this.#begin(repository, blob, known?.done);
    fetch.reports.add(report);
    const left = Promise.withResolvers<never>();
    const leave = () => left.reject(signal.reason);
    signal.addEventListener('abort', leave, { once: true });
    try {
      await Promise.race([fetch.done, left.promise]);
    } finally {
      signal.removeEventListener('abort', leave);
      fetch.reports.delete(report);
      if (fetch.reports.size === 0) {
        fetch.giveUp.abort();
        await fetch.done.catch(() => {}); // its file is closed then
      }
    }
  }

  #begin(repository: Repository, blob: Descriptor, before: Promise<void> = Promise.resolve()): Fetch {
    const giveUp = new AbortController();
    const reports = new Set<ReportLayer>();
    const tell: ReportLayer = (progress) => {
      for (const report of reports) report(progress);
    };
    const release = repository.retain();
    const done = this.#inTurn(giveUp.signal, tell, blob, () =>
      before.catch(() => {}).then(() => this.#run(repository, blob, tell, giveUp.signal)),
    );
    const fetch: Fetch = {
      done: done.finally(() => this.#end(blob.digest, fetch, release)),
      giveUp,
      reports,
    };
    fetch.done.catch(() => {}); // told to those who wait
    this.#fetches.set(blob.digest, fetch);
    return fetch;
  }

  #end(digest: string, fetch: Fetch, release: () => void): void {
    if (this.#fetches.get(digest) === fetch) this.#fetches.delete(digest);
    release();
  }

  async #inTurn(
    signal: AbortSignal,
    tell: ReportLayer,
    { digest }: Descriptor,
    work: () => Promise<void>,
  ): Promise<void> {
    while (this.#running >= this.#concurrent()) {
      tell({ digest, state: 'waiting' });
      const turn = Promise.withResolvers<void>();
      this.#waiting.push(turn.resolve);
      signal.addEventListener('abort', () => turn.resolve(), { once: true });
      await turn.promise;
      signal.throwIfAborted();
    }
    this.#running += 1;
    try {
      await work();
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  async #run(
    repository: Repository,
    blob: Descriptor,
    tell: ReportLayer,
    signal: AbortSignal,
  ): Promise<void> {
    const begun = await this.#once(repository, blob, tell, signal);
    // What an earlier download had left may have been wrong: once from the beginning, then.
    if (begun === 'wrong') await this.#once(repository, blob, tell, signal);
  }

  /** Answers `wrong`, and keeps nothing, when what was there before is not how the blob begins. */
  async #once(
    repository: Repository,
    blob: Descriptor,
    tell: ReportLayer,
    signal: AbortSignal,
  ): Promise<'done' | 'wrong'> {
    const { digest, sizeBytes: totalBytes } = blob;
    await using partial = await this.#content.partials.resume(digest, totalBytes, signal);
    const target = {
      get sizeBytes() {
        return partial.sizeBytes;
      },
      write: (chunk: Buffer) => {
        const room = partial.write(chunk);
        tell({ digest, state: 'downloading', currentBytes: partial.sizeBytes, totalBytes });
        return room;
      },
    };
    const wasBegun = partial.sizeBytes > 0;
    await download(repository, blob, target, signal);
    tell({ digest, state: 'verifying' });
    try {
      await partial.finish();
    } catch (error) {
      if (wasBegun && isHostError(error) && error.code === 'DIGEST_MISMATCH') return 'wrong';
      throw error;
    }
    tell({ digest, state: 'downloaded' });
    return 'done';
  }
}
