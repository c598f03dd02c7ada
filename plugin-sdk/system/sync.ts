/** Making what was written survive a power cut. */
import { open } from 'node:fs/promises';
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
