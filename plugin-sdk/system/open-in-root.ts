/**
 * Opens paths as a process whose root directory is another would: every link, absolute or with `..`, is followed inside
 * that root and never out of it, whatever somebody changes there meanwhile. Source: openat2(2).
 */
import { constants } from 'node:fs';
import { syscall } from './libc.ts';

const SYS_OPENAT2 = 437;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_IN_ROOT = 0x10;
const O_CLOEXEC = 0o2000000;
/** Names a file without opening it: no device is touched and no reader or writer waited for. */
export const O_PATH = 0o10000000;

/** A rename somewhere on the way makes the kernel start again, as often as somebody keeps renaming. */
const MAX_TRIES = 1000;

const openat2 = syscall<[number: number, dir: number, path: Buffer, how: Buffer, size: number]>(
  'long syscall(long number, int dir, const char *path, void *how, size_t size)',
);
const readlinkat = syscall<[dir: number, path: string, target: Buffer, size: number]>(
  'long readlinkat(int dir, const char *path, char *target, size_t size)',
);

/**
 * A descriptor, which the caller closes. `root`: a descriptor of the root directory; `path`: a byte string, relative to
 * it with or without a leading slash. `links: false` refuses links. Errors: `ENOENT`, `ENOTDIR`, `ELOOP`.
 */
export function openInRoot(root: number, path: string, flags = O_PATH, { links = true } = {}): number {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(flags | O_CLOEXEC), 0);
  const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (links ? 0 : RESOLVE_NO_SYMLINKS);
  how.writeBigUInt64LE(BigInt(resolve), 16);
  const bytes = Buffer.from(`${path || '/'}\0`, 'latin1');
  for (let tries = 1; ; tries++) {
    try {
      return openat2(SYS_OPENAT2, root, bytes, how, how.length);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || tries === MAX_TRIES) throw error;
    }
  }
}

export const O_DIRECTORY = constants.O_DIRECTORY;
export const O_NOFOLLOW = constants.O_NOFOLLOW;

/** Where a link points that is open with O_PATH and O_NOFOLLOW, as a byte string. */
export function readLinkAt(descriptor: number): string {
  const target = Buffer.alloc(4096);
  return target.toString('latin1', 0, readlinkat(descriptor, '', target, target.length));
}
