/**
 * Tells when a plugin's socket or spec file appears, is replaced or goes. Directories may be missing, come later, go and
 * come again: chokidar does not notice that by itself, so those that are not there are looked for twice a second.
 */
import { statSync } from 'node:fs';
import type { FSWatcher } from 'chokidar';
import { pluginNameOf } from './discovery.ts';

const LOOK_MS = 500;

export class PluginWatch {
  readonly #dirs: ReadonlySet<string>;
  /** Undefined: any plugin may have changed. */
  readonly #changed: (name: string | undefined) => void;
  readonly #onError: (error: unknown) => void;
  readonly #watched: Set<string> = new Set();
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    dirs: readonly string[],
    changed: (name: string | undefined) => void,
    onError: (error: unknown) => void,
  ) {
    this.#dirs = new Set(dirs);
    this.#changed = changed;
    this.#onError = onError;
  }

  /** Resolves when the directories that exist are watched. */
  async start(): Promise<void> {
    const { watch } = await import('chokidar');
    const watcher = watch([], { atomic: false, depth: 1, ignoreInitial: true });
    this.#watcher = watcher;
    watcher.on('all', (event, path) => this.#seen(event, path));
    watcher.on('error', this.#onError);
    const ready = new Promise<void>((resolve) => watcher.once('ready', resolve));
    const some = this.#look();
    this.#timer = setInterval(() => this.#look() && this.#changed(undefined), LOOK_MS).unref();
    if (some) await ready;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#watcher?.close();
  }

  /** Watches the directories that have come since; true when there are any. */
  #look(): boolean {
    const come = [...this.#dirs].filter((dir) => !this.#watched.has(dir) && isDirectory(dir));
    for (const dir of come) {
      this.#watched.add(dir);
      this.#watcher?.add(dir);
    }
    return come.length > 0;
  }

  #seen(event: string, path: string): void {
    if (event === 'unlinkDir' && this.#watched.delete(path)) this.#watcher?.unwatch(path);
    const name = pluginNameOf(path);
    if (name !== undefined) this.#changed(name);
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch {
    return false;
  }
}
