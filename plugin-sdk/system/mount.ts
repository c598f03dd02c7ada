/** Mounting and what is mounted, in the mount namespace of this process. */
import { readFileSync, realpathSync } from 'node:fs';
import { syscall } from './libc.ts';

export const MS_RDONLY = 0x1;
export const MS_NOSUID = 0x2;
export const MS_NODEV = 0x4;
export const MS_NOEXEC = 0x8;
export const MS_SYNCHRONOUS = 0x10;
export const MS_REMOUNT = 0x20;
export const MS_DIRSYNC = 0x80;
export const MS_NOATIME = 0x400;
export const MS_NODIRATIME = 0x800;
export const MS_BIND = 0x1000;
export const MS_MOVE = 0x2000;
export const MS_REC = 0x4000;
export const MS_SILENT = 0x8000;
export const MS_UNBINDABLE = 0x20000;
export const MS_PRIVATE = 0x40000;
export const MS_SLAVE = 0x80000;
export const MS_SHARED = 0x100000;
export const MS_RELATIME = 0x200000;
export const MS_STRICTATIME = 0x1000000;
export const MS_LAZYTIME = 0x2000000;

export const MNT_FORCE = 1;
export const MNT_DETACH = 2;
export const UMOUNT_NOFOLLOW = 8;

/** `mount(source, target, fstype, flags, data)`; null stands for what a kind of mount does not use. */
export const mount = syscall<
  [source: string | null, target: string, fstype: string | null, flags: number, data: string | null]
>(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
);

/**
 * `umount2(target, flags)`. Taking down a writable file system first writes out all of it, for as long as that takes:
 * use `umount2.async` unless there can be nothing to write.
 */
export const umount2 = syscall<[target: string, flags: number]>('int umount2(const char *target, int flags)');

/** Errors by which umount2 says that there is nothing mounted at the target: `EINVAL`, `ENOENT`. */
export function isNotMounted(error: unknown): boolean {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code === 'EINVAL' || code === 'ENOENT';
}

/** Takes down whatever is mounted at `target`, layer by layer; nothing mounted, or no such path, is success. */
export async function unmountAll(target: string, flags = UMOUNT_NOFOLLOW): Promise<void> {
  try {
    for (;;) await umount2.async(target, flags);
  } catch (error) {
    if (!isNotMounted(error)) throw error;
  }
}

export type Propagation = 'shared' | 'slave' | 'private' | 'unbindable';

const propagationFlags: Readonly<Record<Propagation, number>> = {
  shared: MS_SHARED,
  slave: MS_SLAVE,
  private: MS_PRIVATE,
  unbindable: MS_UNBINDABLE,
};

/** Sets how mounts below `target`, itself a mount point, spread to its peers. */
export function setPropagation(target: string, propagation: Propagation, { recursive = false } = {}): void {
  mount(null, target, null, propagationFlags[propagation] | (recursive ? MS_REC : 0), null);
}

/** Shows `source` at `target` too; both must exist and be of one kind (directory or file). */
export function bind(source: string, target: string, { recursive = true, readonly = false } = {}): void {
  mount(source, target, null, MS_BIND | (recursive ? MS_REC : 0), null);
  if (readonly) remountReadonly(target);
}

/**
 * Makes the one mount at `target` read-only and leaves its file system writable elsewhere. The kernel ignores
 * MS_RDONLY in the first bind, hence the second call; `keep` names flags that the mount has and must not lose.
 */
export function remountReadonly(target: string, keep = 0): void {
  mount(null, target, null, MS_BIND | MS_REMOUNT | MS_RDONLY | keep, null);
}

export interface MountEntry {
  readonly id: number;
  readonly parent: number;
  /** Path of the mounted directory inside its file system. */
  readonly root: string;
  readonly target: string;
  /** `rw`, `nosuid`, ... of this mount. */
  readonly options: readonly string[];
  readonly propagation: Propagation;
  readonly type: string;
  readonly source: string;
  /** Options of the file system itself, e.g. overlay's `lowerdir=...`. */
  readonly superOptions: readonly string[];
}

/** Everything mounted, oldest first. Source: proc_pid_mountinfo(5). */
export function mounts(pid: number | 'self' = 'self'): readonly MountEntry[] {
  return parseMountinfo(readFileSync(`/proc/${pid}/mountinfo`, 'utf8'));
}

export function parseMountinfo(text: string): readonly MountEntry[] {
  return text.split('\n').filter(Boolean).map(parseLine);
}

/** The newest mount at `path`, or undefined. */
export function findMount(path: string): MountEntry | undefined {
  return mounts().findLast((entry) => entry.target === path);
}

/** Whether something is mounted right at `path`; a path that does not exist is not. */
export function isMountPoint(path: string): boolean {
  try {
    return findMount(realpathSync(path)) !== undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

function parseLine(line: string): MountEntry {
  // Optional fields (`shared:1`) stand between the sixth field and a lone dash.
  const [before = '', after = ''] = line.split(' - ');
  const [id, parent, , root = '', target = '', options = '', ...optional] = before.split(' ');
  const [type = '', source = '', superOptions = ''] = after.split(' ');
  return {
    id: Number(id),
    parent: Number(parent),
    root: unescapeOctal(root),
    target: unescapeOctal(target),
    options: options.split(','),
    propagation: propagationOf(optional),
    type,
    source: unescapeOctal(source),
    superOptions: unescapeOctal(superOptions).split(','),
  };
}

function propagationOf(fields: readonly string[]): Propagation {
  if (fields.some((field) => field.startsWith('shared:'))) return 'shared';
  if (fields.some((field) => field.startsWith('master:'))) return 'slave';
  return fields.includes('unbindable') ? 'unbindable' : 'private';
}

/** The kernel writes blank, tab, newline and backslash as `\040` and so on. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
