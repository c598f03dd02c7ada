/**
 * Machines with cgroup v1 hierarchies and, beside them, a v2 mount that has a controller of its own: crun refuses to run
 * there. It is started in a copy of the mount namespace in which that v2 mount is covered, conmon with it.
 */
import { readFileSync } from 'node:fs';
import { isNotMounted, MNT_DETACH, mount, mounts, umount2 } from '@gantry/plugin-sdk/system/mount.ts';
import { inMountNamespaceCopy } from '@gantry/plugin-sdk/system/mount-namespace.ts';

const UNIFIED = '/sys/fs/cgroup/unified';

/** Starts a program by calling `start`, which must do so synchronously; it sees what is mounted at the `needed` paths. */
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

function startCovered<T>(start: () => T, needed: ReadonlySet<string> = new Set()): T {
  return inMountNamespaceCopy(() => {
    mount('tmpfs', UNIFIED, 'tmpfs', 0, 'size=64k');
    // A copy of another container's file system would keep it from being unmounted for good.
    for (const { type, target } of mounts()) {
      if (type === 'overlay' && !needed.has(target) && target !== '/') detach(target);
    }
  }, start);
}

/** A mount goes by itself when another thread removes its directory meanwhile. */
function detach(target: string): void {
  try {
    umount2(target, MNT_DETACH);
  } catch (error) {
    if (!isNotMounted(error)) throw error;
  }
}
