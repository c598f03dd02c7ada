/** A file that one process at a time holds; the kernel lets go when that process ends, however it ends. */
import { closeSync, openSync } from 'node:fs';
import { syscall } from './libc.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;

const flock = syscall<[descriptor: number, operation: number]>('int flock(int fd, int operation)');

/** False when another process holds it. The file is made if need be, and never removed. Source: flock(2). */
export function holdFile(path: string): boolean {
  const descriptor = openSync(path, 'a', 0o600);
  try {
    flock(descriptor, LOCK_EX | LOCK_NB);
    return true;
  } catch (error) {
    closeSync(descriptor);
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false;
    throw error;
  }
}
