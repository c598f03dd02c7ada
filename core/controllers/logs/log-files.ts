/**
 * The files of one container's log: `container.log`, which is written to, and `container.log.1` and on, which are older.
 * Renaming and opening are both done in one go of the event loop, so neither sees half of the other.
 */
import { closeSync, fstatSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';

export interface LogFile {
  readonly fd: number;
  readonly inode: number;
  /** Its length when it was opened. */
  readonly size: number;
}

/** Numbers of the older files, the newest first. */
function olderNumbers(file: string): readonly number[] {
  const prefix = `${path.basename(file)}.`;
  return namesIn(path.dirname(file))
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .sort((a, b) => a - b);
}

function namesIn(dir: string): readonly string[] {
  return orUndefined(() => readdirSync(dir)) ?? [];
}

/** Paths of all that there is, the oldest first; the last need not be there. */
function pathsOf(file: string): readonly string[] {
  return [
    ...olderNumbers(file)
      .map((number) => `${file}.${number}`)
      .reverse(),
    file,
  ];
}

/** Opens all, the oldest first; the caller closes them. Before the first start there are none. */
export function openLog(file: string): LogFile[] {
  return pathsOf(file).flatMap((one) => openOne(one) ?? []);
}

/** Opens the file that came after the one of that inode; undefined when there is none. */
export function openNext(file: string, inode: number): LogFile | undefined {
  if (inodeOf(file) === inode) return undefined;
  const there = pathsOf(file).filter((one) => inodeOf(one) !== undefined);
  const index = there.findIndex((one) => inodeOf(one) === inode);
  const next = there[index + 1];
  return next === undefined ? undefined : openOne(next);
}

function openOne(file: string): LogFile | undefined {
  const fd = orUndefined(() => openSync(file, 'r'));
  if (fd === undefined) return undefined;
  const { ino, size } = fstatSync(fd);
  return { fd, inode: ino, size };
}

export function closeLog(files: readonly LogFile[]): void {
  for (const { fd } of files) closeSync(fd);
}

function inodeOf(file: string): number | undefined {
  return lookAt(file)?.inode;
}

/** The file as it is now; undefined when it is not there. */
export function lookAt(file: string): { readonly inode: number; readonly size: number } | undefined {
  const found = orUndefined(() => statSync(file));
  return found && { inode: found.ino, size: found.size };
}

/** Makes the current file the first of the older ones; its writer goes on writing to it until it opens a new one. */
export function renameLog(file: string): void {
  for (const number of olderNumbers(file).toReversed())
    renameSync(`${file}.${number}`, `${file}.${number + 1}`);
  renameSync(file, `${file}.1`);
}

/** Removes the oldest, so that `count` files are left with the current one. */
export function pruneLog(file: string, count: number): void {
  for (const number of olderNumbers(file)) if (number >= count) rmSync(`${file}.${number}`, { force: true });
}

function orUndefined<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
