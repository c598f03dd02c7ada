/** Tells when a log may have grown, and where it ends for good. */
import { type FSWatcher, watch } from 'node:fs';
import { lookAt } from './log-files.ts';

/** For what the kernel does not tell of: file systems without inotify, or no watch to be had. */
const POLL_MS = 1_000;

export interface LogEnd {
  /** The file that was written to last, and its length then; undefined when it was gone already. */
  readonly file: { readonly inode: number; readonly size: number } | undefined;
}

export interface Growing {
  /** Directories in which something changes when there is more. */
  readonly dirs: readonly string[];
  /** Path of the file that is written to. */
  readonly file: string;
  /** Settles when the writer has written everything, or when nobody wants to know any more. */
  readonly ended: Promise<unknown>;
  /** Has what there is written to the file. */
  readonly catchUp?: () => Promise<void>;
}

export class LogGrowth {
  readonly #growing: Growing;
  readonly #watchers: readonly (FSWatcher | undefined)[];
  readonly #poll: NodeJS.Timeout;
  #changed = false;
  #wake: (() => void) | undefined;
  #end: LogEnd | undefined;

  constructor(growing: Growing) {
    this.#growing = growing;
    const end = () => {
      // At once: a container that is started again goes on in the same file.
      this.#end = { file: lookAt(growing.file) };
      this.#tell();
    };
    growing.ended.then(end, end);
    this.#poll = setInterval(() => this.#tell(), POLL_MS).unref();
    this.#watchers = growing.dirs.map((dir) => watchDirectory(dir, () => this.#tell()));
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
    await this.#growing.catchUp?.();
  }

  stop(): void {
    clearInterval(this.#poll);
    for (const watcher of this.#watchers) watcher?.close();
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
