/**
 * A file system tree held by descriptors, in a mount namespace of its own: what a container sees, or would see if it ran.
 * Nothing of it shows in the host's mounts, and all of it ends with the descriptors, so also with the process.
 *
 * For worker threads: each call leaves the calling thread's namespace for a moment. Everything is synchronous.
 */
import { closeSync, mkdirSync, openSync, statSync, writeFileSync } from 'node:fs';
import { syscall } from './libc.ts';
import { MNT_DETACH, MS_BIND, MS_PRIVATE, MS_RDONLY, MS_REC, MS_REMOUNT, mount, umount2 } from './mount.ts';
import { O_DIRECTORY, O_PATH, openInRoot } from './open-in-root.ts';

const CLONE_FS = 0x00000200;
const CLONE_NEWNS = 0x00020000;
const OPEN_TREE_CLONE = 1;
const O_CLOEXEC = 0o2000000;
const AT_FDCWD = -100;
const SYS_open_tree = 428;
const SYS_pivot_root = process.arch === 'x64' ? 155 : 41;

const unshare = syscall<[flags: number]>('int unshare(int flags)');
const setns = syscall<[descriptor: number, type: number]>('int setns(int fd, int nstype)');
const chdir = syscall<[path: string]>('int chdir(const char *path)');
const pivotRoot = syscall<[number: number, root: string, old: string]>(
  'long syscall(long number, const char *root, const char *old)',
);
const openTree = syscall<[number: number, dir: number, path: string, flags: number]>(
  'long syscall(long number, int dir, const char *path, unsigned int flags)',
);

export interface RootView {
  /** O_PATH descriptor of the root directory. */
  readonly root: number;
  close(): void;
}

export interface RootMount {
  readonly source: string;
  /** Inside the root; links on the way are followed there, and what is missing is made. */
  readonly target: string;
  readonly readOnly: boolean;
  readonly recursive: boolean;
}

/** What process `pid` sees, with all its mounts; `alone`: its root file system without what is mounted in it. */
export function rootOfProcess(pid: number, { alone = false } = {}): RootView {
  const namespace = openSync(`/proc/${pid}/ns/mnt`, 'r');
  try {
    const root = elsewhere(
      () => setns(namespace, CLONE_NEWNS),
      () =>
        alone
          ? openTree(SYS_open_tree, AT_FDCWD, '/', OPEN_TREE_CLONE | O_CLOEXEC)
          : openSync('/', O_PATH | O_DIRECTORY),
    );
    return view(root, namespace);
  } catch (error) {
    closeSync(namespace);
    throw error;
  }
}

/** The mount at `dir` with others in it, parents first. */
export function rootOfDirectory(dir: string, mounts: readonly RootMount[]): RootView {
  let namespace = -1;
  try {
    const root = elsewhere(
      () => unshare(CLONE_NEWNS),
      () => {
        mount(null, '/', null, MS_REC | MS_PRIVATE, null);
        namespace = openSync('/proc/thread-self/ns/mnt', 'r');
        addMounts(dir, mounts);
        chdir(dir);
        pivotRoot(SYS_pivot_root, '.', '.');
        umount2('.', MNT_DETACH);
        return openSync('/', O_PATH | O_DIRECTORY);
      },
    );
    return view(root, namespace);
  } catch (error) {
    if (namespace >= 0) closeSync(namespace);
    throw error;
  }
}

function view(root: number, namespace: number): RootView {
  return {
    root,
    close() {
      closeSync(root);
      closeSync(namespace);
    },
  };
}

function addMounts(dir: string, mounts: readonly RootMount[]): void {
  const root = openSync(dir, O_PATH | O_DIRECTORY);
  try {
    for (const { source, target, readOnly, recursive } of mounts) {
      const bytes = Buffer.from(target).toString('latin1');
      withDescriptor(mountPoint(root, bytes, statSync(source).isDirectory()), (at) =>
        mount(source, at, null, MS_BIND | (recursive ? MS_REC : 0), null),
      );
      if (!readOnly) continue;
      withDescriptor(openInRoot(root, bytes), (at) =>
        mount(null, at, null, MS_BIND | MS_REMOUNT | MS_RDONLY, null),
      );
    }
  } finally {
    closeSync(root);
  }
}

/** A descriptor of what is mounted over, made where it is missing, as a runtime does at the container's start. */
function mountPoint(root: number, target: string, isDirectory: boolean): number {
  const parts = target.split('/').filter(Boolean);
  for (let depth = 1; depth <= parts.length; depth++) {
    const path = parts.slice(0, depth).join('/');
    if (exists(root, path)) continue;
    withDescriptor(openInRoot(root, parts.slice(0, depth - 1).join('/'), O_PATH | O_DIRECTORY), (parent) => {
      const at = Buffer.from(`${parent}/${parts[depth - 1]}`, 'latin1');
      if (depth < parts.length || isDirectory) mkdirSync(at, 0o755);
      else writeFileSync(at, '', { flag: 'wx', mode: 0o644 });
    });
  }
  return openInRoot(root, target);
}

function exists(root: number, path: string): boolean {
  try {
    closeSync(openInRoot(root, path));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

function withDescriptor(descriptor: number, work: (path: string) => void): void {
  try {
    work(`/proc/self/fd/${descriptor}`);
  } finally {
    closeSync(descriptor);
  }
}

function elsewhere<T>(go: () => void, work: () => T): T {
  const home = openSync('/proc/thread-self/ns/mnt', 'r');
  try {
    unshare(CLONE_FS);
    go();
    try {
      return work();
    } finally {
      goHome(home);
    }
  } finally {
    closeSync(home);
  }
}

/** A thread that cannot go back would work on the wrong files from then on: better no process than that one. */
function goHome(home: number): void {
  try {
    setns(home, CLONE_NEWNS);
  } catch (error) {
    process.stderr.write(`return to the mount namespace: ${(error as Error).message}\n`);
    process.abort();
  }
}
