/** Extended attributes of a path itself, never of what a symbolic link points at. Values are bytes, not text. */
import { syscall, systemError } from './libc.ts';

type Path = string | Buffer;

const set = syscall<[path: Path, name: string, value: Buffer, size: number, flags: number]>(
  'int lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags)',
);
const get = syscall<[path: Path, name: string, value: Buffer | null, size: number]>(
  'long lgetxattr(const char *path, const char *name, void *value, size_t size)',
);
const list = syscall<[path: Path, names: Buffer | null, size: number]>(
  'long llistxattr(const char *path, char *names, size_t size)',
);
const remove = syscall<[path: Path, name: string]>('int lremovexattr(const char *path, const char *name)');

/** Sets or replaces. Throws with `code` `ENOTSUP` (not on this file system or kind of file), `EPERM`, `ENOSPC`. */
export function lsetxattr(path: Path, name: string, value: Buffer): void {
  set(terminated(path), name, value, value.length, 0);
}

/** The value, or undefined when the attribute is not set. */
export function lgetxattr(path: Path, name: string): Buffer | undefined {
  try {
    return grown((buffer) => get(terminated(path), name, buffer, buffer.length));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENODATA') return undefined;
    throw error;
  }
}

export function llistxattr(path: Path): readonly string[] {
  const names = grown((buffer) => list(terminated(path), buffer, buffer.length));
  return names.toString('latin1').split('\0').filter(Boolean);
}

/** Removing what is not set throws with `code` `ENODATA`. */
export function lremovexattr(path: Path, name: string): void {
  remove(terminated(path), name);
}

/** Paths that are no UTF-8 come as bytes, which C wants ended by a zero. */
export function terminated(path: Path): Path {
  return typeof path === 'string' ? path : Buffer.concat([path, Buffer.alloc(1)]);
}

/** The attribute may grow between asking its size and reading it, so the buffer grows until the read fits. */
function grown(read: (buffer: Buffer) => number): Buffer {
  for (let size = 256; size <= 1 << 20; size *= 4) {
    try {
      const buffer = Buffer.alloc(size);
      return buffer.subarray(0, read(buffer));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERANGE') throw error;
    }
  }
  throw systemError(7, 'getxattr');
}
