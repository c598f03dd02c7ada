/** Making what was written survive a power cut. */
import { statfsSync } from 'node:fs';
import { mkdir, open, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { syscall } from './libc.ts';

const syncfs = syscall<[descriptor: number]>('int syncfs(int fd)');

/** Writes out all of the file system that holds `path`: for a tree of many files, cheaper than each file's fsync. */
export async function syncFileSystem(path: string): Promise<void> {
  await using directory = await open(path);
  await syncfs.async(directory.fd);
}

/** Makes the names in a directory durable: what was created, renamed or removed there. */
export async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path);
  await directory.sync();
}

/** File systems with one journal for all metadata, written out in order. Source: linux/magic.h. */
const JOURNALED = [0xef53, 0x58465342];

/**
 * Makes everything made, renamed and removed so far on the file system of `directory` durable. On ext4 and xfs one
 * directory changed and synced takes the whole journal along, and file contents do not wait; elsewhere all is written.
 */
export async function syncMetadata(directory: string): Promise<void> {
  if (!JOURNALED.includes(statfsSync(directory).type)) return syncFileSystem(directory);
  const mark = join(directory, '.sync');
  await rmdir(mark).catch(() => {});
  await mkdir(mark).catch(() => {});
  await syncDirectory(directory);
  await rmdir(mark).catch(() => {});
}
