/**
 * Machines with cgroup v1 hierarchies and, beside them, a v2 mount that has a controller of its own: crun refuses to run
 * there. It is started in a copy of the mount namespace in which that v2 mount is covered, conmon with it.
 */
import { readFileSync } from 'node:fs';
import {
  isNotMounted,
  MNT_DETACH,
  MS_PRIVATE,
  MS_REC,
  mount,
  mounts,
  umount2,
} from '@gantry/plugin-sdk/system/mount.ts';
import { inMountNamespaceCopy, KeptMountNamespace } from '@gantry/plugin-sdk/system/mount-namespace.ts';

const UNIFIED = '/sys/fs/cgroup/unified';

/**
 * Starts a program by calling `start`, which must do so synchronously. `needed` names the paths that it must see mounted,
 * as they are now; without, it looks at no container's files.
 */
export type Starter = <T>(start: () => T, needed?: ReadonlySet<string>) => T;

/** `own`: paths that every program started needs. */
export function starterFor(runtimeName: string, own: readonly string[]): Starter {
  if (runtimeName !== 'crun' || !isHybrid()) return (start) => start();
  let kept: KeptMountNamespace | undefined;
  return (start, needed) => {
    if (needed) return startCovered(start, needed);
    kept ??= new KeptMountNamespace(() => {
      cover();
      detachUnneeded(own);
    });
    return kept.run(start);
  };
}

function isHybrid(): boolean {
  try {
    return readFileSync(`${UNIFIED}/cgroup.controllers`, 'utf8').trim() !== '';
  } catch {
    return false;
  }
}

function startCovered<T>(start: () => T, needed: ReadonlySet<string>): T {
  return inMountNamespaceCopy(() => {
    cover();
    detachOthers(needed);
  }, start);
}

function cover(): void {
  mount('tmpfs', UNIFIED, 'tmpfs', 0, 'size=64k');
}

/** The kernel's file systems, the system's programs, and what their libraries may be on. */
const SYSTEM = ['/proc', '/sys', '/dev', '/usr', '/lib', '/lib64', '/bin', '/sbin', '/etc'];

/**
 * A namespace that stays would keep every file system that is mounted now from being unmounted for good. What is
 * mounted later does not enter it.
 */
function detachUnneeded(own: readonly string[]): void {
  mount(null, '/', null, MS_REC | MS_PRIVATE, null);
  const below = (path: string, dir: string) => dir === '/' || path === dir || path.startsWith(`${dir}/`);
  for (const { target } of mounts().toReversed()) {
    const isSystem = SYSTEM.some((dir) => below(target, dir));
    if (!isSystem && !own.some((path) => below(path, target))) detach(target);
  }
}

/**
 * Where mounts do not spread from the host, the copy would keep another container's file system from being unmounted
 * for good.
 */
function detachOthers(needed: ReadonlySet<string>): void {
  const all = mounts();
  if (all.find(({ target }) => target === '/')?.propagation === 'slave') return;
  for (const { type, target } of all) {
    if (type === 'overlay' && !needed.has(target) && target !== '/') detach(target);
  }
}

/** A mount goes by itself when another thread removes its directory meanwhile. */
function detach(target: string): void {
  try {
    umount2(target, MNT_DETACH);
  } catch (error) {
    if (!isNotMounted(error)) throw error;
  }
}
