/**
 * Removal that is instant and survives a crash: what goes is renamed into `trash/`, and taken apart there in the
 * background, also what an earlier run left.
 */

import { randomBytes } from 'node:crypto';
import { renameSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../extension-point.ts';

export class Trash {
  readonly #directory: string;
  readonly #log: Logger;
  #purging: Promise<void> = Promise.resolve();
  #isClosed = false;

  private constructor(directory: string, log: Logger) {
    this.#directory = directory;
    this.#log = log;
  }

  static async open(rootDir: string, log: Logger): Promise<Trash> {
    const trash = new Trash(join(rootDir, 'trash'), log);
    await mkdir(trash.#directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(trash.#directory)) trash.#purge(name);
    return trash;
  }

  /** Returns once `path` is gone from its place; false when it was not there. Synchronous: one rename. */
  take(path: string): boolean {
    const name = randomBytes(8).toString('hex');
    try {
      renameSync(path, join(this.#directory, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
    this.#purge(name);
    return true;
  }

  /** Waits for the one removal under way; the others are taken up at the next start. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#purging;
  }

  /** One after the other, so that a big tree does not take every thread of the pool. */
  #purge(name: string): void {
    this.#purging = this.#purging.then(async () => {
      if (this.#isClosed) return;
      try {
        await rm(join(this.#directory, name), { recursive: true, force: true });
      } catch (error) {
        this.#log.warn({ name, error }, 'cannot empty the trash');
      }
    });
  }
}
