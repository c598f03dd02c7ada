/** A short stay in a copy of the mount namespace, for starting a program that must see a mount that others must not. */
import { closeSync, openSync } from 'node:fs';
import { syscall } from './libc.ts';
import { MS_REC, MS_SLAVE, mount } from './mount.ts';

const CLONE_NEWNS = 0x00020000;
const CLONE_FS = 0x00000200;

const unshare = syscall<[flags: number]>('int unshare(int flags)');
const setns = syscall<[descriptor: number, type: number]>('int setns(int fd, int nstype)');

/**
 * Runs `work` on this thread in a copy of its mount namespace, after `prepare` has changed the copy. What is mounted or
 * unmounted outside later spreads into it where the host shares its mounts; nothing spreads out. Programs started by
 * `work` stay in the copy, which ends with the last of them. Both must be synchronous. The working directory becomes `/`.
 */
export function inMountNamespaceCopy<T>(prepare: () => void, work: () => T): T {
  const home = openSync('/proc/thread-self/ns/mnt', 'r');
  try {
    unshare(CLONE_NEWNS);
    try {
      mount(null, '/', null, MS_REC | MS_SLAVE, null);
      prepare();
      return work();
    } finally {
      goHome(home);
    }
  } finally {
    closeSync(home);
  }
}

/** A copy of the mount namespace that stays, for starting programs in it again and again. */
export class KeptMountNamespace {
  readonly #home = openSync('/proc/thread-self/ns/mnt', 'r');
  readonly #kept: number;

  /** `prepare` changes the copy; synchronous. What is mounted outside later is not seen in it where `/` is private. */
  constructor(prepare: () => void) {
    this.#kept = inMountNamespaceCopy(prepare, () => openSync('/proc/thread-self/ns/mnt', 'r'));
  }

  /** Runs `work`, which must be synchronous, on this thread in the copy. The working directory becomes `/`. */
  run<T>(work: () => T): T {
    unshare(CLONE_FS); // a thread that shares its root with others may not change namespaces
    setns(this.#kept, CLONE_NEWNS);
    try {
      return work();
    } finally {
      goHome(this.#home);
    }
  }

  /** It ends with the last program in it. */
  close(): void {
    closeSync(this.#kept);
    closeSync(this.#home);
  }
}

/** A thread that cannot go back would work on the wrong mounts from then on: better no process than that one. */
function goHome(home: number): void {
  try {
    setns(home, CLONE_NEWNS);
  } catch (error) {
    process.stderr.write(`return to the mount namespace: ${(error as Error).message}\n`);
    process.abort();
  }
}
