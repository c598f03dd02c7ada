/** Tells when a log may have grown, and where it ends for good. */
import { type FSWatcher, watch } from 'node:fs';
import path from 'node:path';
import { lookAt } from './log-files.ts';

/** For what the kernel does not tell of: file systems without inotify, or no watch to be had. */
const POLL_MS = 1_000;

export interface LogEnd {
  /** The file that was written to last, and its length then; undefined when it was gone already. */
  readonly file: { readonly inode: number; readonly size: number } | undefined;
}

export class LogGrowth {
  readonly #watcher: FSWatcher | undefined;
  readonly #poll: NodeJS.Timeout;
  #changed = false;
  #wake: (() => void) | undefined;
  #end: LogEnd | undefined;

  /** `ended` settles when the writer has written everything, or when nobody wants to know any more. */
  constructor(file: string, ended: Promise<unknown>) {
    const end = () => {
      // At once: a container that is started again goes on in the same file.
      this.#end = { file: lookAt(file) };
      this.#tell();
    };
    ended.then(end, end);
    this.#poll = setInterval(() => this.#tell(), POLL_MS).unref();
    this.#watcher = watchDirectory(path.dirname(file), () => this.#tell());
  }

  /** Known once everything was written. */
  get end(): LogEnd | undefined {
    return this.#end;
  }

  /** Resolves when there may be more than at the last call. */
  async next(): Promise<void> {
    if (!this.#changed) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
    this.#changed = false;
  }

  stop(): void {
    clearInterval(this.#poll);
    this.#watcher?.close();
    this.#tell();
  }

  #tell(): void {
    this.#changed = true;
    this.#wake?.();
    this.#wake = undefined;
  }
}

/** The directory and not the file: after a rotation another file has the name. */
function watchDirectory(dir: string, tell: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(dir, { persistent: false }, tell);
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
}
