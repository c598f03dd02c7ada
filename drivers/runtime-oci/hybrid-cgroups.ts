/**
 * Machines with cgroup v1 hierarchies and, beside them, a v2 mount that has a controller of its own: crun refuses to run
 * there. It is started in a copy of the mount namespace in which that v2 mount is covered, conmon with it.
 */
import { readFileSync } from 'node:fs';
import { isNotMounted, MNT_DETACH, mount, mounts, umount2 } from '@gantry/plugin-sdk/system/mount.ts';
import { inMountNamespaceCopy } from '@gantry/plugin-sdk/system/mount-namespace.ts';

const UNIFIED = '/sys/fs/cgroup/unified';

/**
 * Starts a program by calling `start`, which must do so synchronously. For one that stays, `needed` names
 * the paths that it must see mounted: it keeps no other container's file system.
 */
export type Starter = <T>(start: () => T, needed?: ReadonlySet<string>) => T;

export function starterFor(runtimeName: string): Starter {
  return runtimeName === 'crun' && isHybrid() ? startCovered : (start) => start();
}

function isHybrid(): boolean {
  try {
    return readFileSync(`${UNIFIED}/cgroup.controllers`, 'utf8').trim() !== '';
  } catch {
    return false;
  }
}

function startCovered<T>(start: () => T, needed?: ReadonlySet<string>): T {
  return inMountNamespaceCopy(() => {
    mount('tmpfs', UNIFIED, 'tmpfs', 0, 'size=64k');
    if (needed) detachOthers(needed);
  }, start);
}

/**
 * Where mounts do not spread from the host, the copy would keep another container's file system from being unmounted
 * for good. A program that ends at once is no matter.
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
