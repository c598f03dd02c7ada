/** Opens a path that must not lead out of a directory, whatever links somebody puts in its way meanwhile. */
import { closeSync, constants, openSync } from 'node:fs';
import { syscall } from './libc.ts';

const SYS_OPENAT2 = 437;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_BENEATH = 0x08;
const RESOLVE_IN_ROOT = 0x10;
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;

/** libc has no wrapper of openat2. */
const openat2 = syscall<[number: number, dir: number, path: string, how: Buffer, size: number]>(
  'long syscall(long number, int dir, const char *path, void *how, size_t size)',
);

/**
 * An O_PATH descriptor of `inside` under `root`; the caller closes it. Errors: `EXDEV` when the path leads out of the
 * root, `ENOENT`, `ENOTDIR`, `ELOOP`. Source: openat2(2).
 */
export function openBeneath(root: string, inside: string): number {
  return open(root, inside, RESOLVE_BENEATH);
}

/**
 * The same, where `root` is what a process in it would call `/`: links are followed inside, absolute ones too. Errors:
 * `ENOENT`, `ENOTDIR`, `ELOOP`.
 */
export function openInRoot(root: string, inside: string): number {
  return open(root, inside, RESOLVE_IN_ROOT);
}

function open(root: string, inside: string, resolve: number): number {
  const dir = openSync(root, constants.O_DIRECTORY | constants.O_RDONLY);
  try {
    const how = Buffer.alloc(24);
    how.writeBigUInt64LE(BigInt(O_PATH | O_CLOEXEC), 0);
    how.writeBigUInt64LE(BigInt(resolve | RESOLVE_NO_MAGICLINKS), 16);
    return openat2(SYS_OPENAT2, dir, inside, how, how.length);
  } finally {
    closeSync(dir);
  }
}
