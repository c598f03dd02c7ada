/**
 * Tells when a plugin's socket or spec file appears, is replaced or goes. The directories may be missing, come later, go
 * and come again, which chokidar does not notice by itself: each is looked at twice a second, and watched anew when it
 * is another one than before.
 */
import { statSync } from 'node:fs';
import type { FSWatcher, watch } from 'chokidar';
import { pluginNameOf } from './discovery.ts';

const LOOK_MS = 500;

interface Watched {
  readonly identity: string;
  readonly watcher: FSWatcher;
  readonly ready: Promise<void>;
  /** Names told of; all of them may have changed when the directory itself has. */
  readonly names: Set<string>;
}

export interface WatchedDirs {
  /** A plugin's file may stand in a directory of its name. */
  readonly nested: readonly string[];
  /** Files in directories below are not looked at. */
  readonly flat?: readonly string[];
}

export class PluginWatch {
  readonly #dirs: readonly (readonly [dir: string, depth: number])[];
  readonly #changed: (name: string) => void;
  readonly #onError: (error: unknown) => void;
  readonly #watched: Map<string, Watched> = new Map();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    { nested, flat = [] }: WatchedDirs,
    changed: (name: string) => void,
    onError: (error: unknown) => void,
  ) {
    this.#dirs = [...nested.map((dir) => [dir, 1] as const), ...flat.map((dir) => [dir, 0] as const)];
    this.#changed = changed;
    this.#onError = onError;
  }

  /** Resolves when the directories that exist are watched. */
  async start(): Promise<void> {
    const { watch: watchDir } = await import('chokidar');
    this.#look(watchDir);
    this.#timer = setInterval(() => this.#look(watchDir), LOOK_MS).unref();
    await Promise.all([...this.#watched.values()].map(({ ready }) => ready));
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([...this.#watched.values()].map(({ watcher }) => watcher.close()));
  }

  #look(watchDir: typeof watch): void {
    for (const [dir, depth] of this.#dirs) {
      const identity = identityOf(dir);
      const before = this.#watched.get(dir);
      if (before?.identity === identity) continue;
      this.#watched.delete(dir);
      before?.watcher.close().catch(this.#onError);
      for (const name of before?.names ?? []) this.#changed(name);
      if (identity !== undefined) this.#watched.set(dir, this.#watch(watchDir, { dir, depth }, identity));
    }
  }

  #watch(watchDir: typeof watch, { dir, depth }: { dir: string; depth: number }, identity: string): Watched {
    // What is there at first is told too: it may have come while the watch was being set up.
    const watcher = watchDir(dir, { atomic: false, depth, ignoreInitial: false });
    const names: Set<string> = new Set();
    watcher.on('all', (_event, path) => {
      const name = pluginNameOf(path);
      if (name === undefined) return;
      names.add(name);
      this.#changed(name);
    });
    watcher.on('error', this.#onError);
    const ready = new Promise<void>((resolve) => watcher.once('ready', resolve));
    return { identity, watcher, ready, names };
  }
}

/** An inode number alone is soon given to another directory. */
function identityOf(dir: string): string | undefined {
  try {
    const stat = statSync(dir, { throwIfNoEntry: false });
    return stat?.isDirectory() ? `${stat.dev}:${stat.ino}:${stat.birthtimeMs}` : undefined;
  } catch {
    return undefined;
  }
}
