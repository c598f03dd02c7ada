/** Names in a directory that is held open; byte strings. Synchronous: for threads that walk trees. */
import {
  type BigIntStats,
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  rmdirSync,
  unlinkSync,
} from 'node:fs';

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** The path of an entry, good for one call: nothing but the entry's own name is left to look up. */
export function entryPath(directory: number, name: string): Buffer {
  return Buffer.from(`/proc/self/fd/${directory}/${name}`, 'latin1');
}

/** Of the entry itself; undefined when it is not there. */
export function entryStat(directory: number, name: string): BigIntStats | undefined {
  return lstatSync(entryPath(directory, name), { bigint: true, throwIfNoEntry: false });
}

/** Undefined when it is gone, or no directory any more. The caller closes it. */
export function openDirectory(directory: number, name: string): number | undefined {
  try {
    return openSync(entryPath(directory, name), DIRECTORY);
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/** Sorted. */
export function namesIn(directory: number): readonly string[] {
  return readdirSync(`/proc/self/fd/${directory}`, { encoding: 'latin1' }).sort();
}

/** Removes an entry, a tree too; what somebody puts in the way meanwhile is not followed. */
export function removeEntry(directory: number, name: string): void {
  try {
    const inner = entryStat(directory, name)?.isDirectory() ? openDirectory(directory, name) : undefined;
    if (inner === undefined) unlinkSync(entryPath(directory, name));
    else {
      removeInside(inner);
      rmdirSync(entryPath(directory, name));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function removeInside(directory: number): void {
  try {
    for (const name of namesIn(directory)) removeEntry(directory, name);
  } finally {
    closeSync(directory);
  }
}

/** What a call says of an entry that somebody has removed or replaced since it was looked at. */
export function isGone(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR', 'ELOOP', 'ESTALE'].includes((error as NodeJS.ErrnoException).code ?? '');
}
