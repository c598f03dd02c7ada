/** Shared memory of a container that others may join: a file system in memory, mounted at a path of ours. */
import { mkdir } from 'node:fs/promises';
import {
  isMountPoint,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  mount,
  unmountAll,
} from '@gantry/plugin-sdk/system/mount.ts';
import type { EffectHandler } from '../store/effect.ts';
import { removeTarget } from './mount-target.ts';

export const shmMountEffects: EffectHandler<'shm-mount'> = {
  endsWithBoot: true,
  async make({ target, sizeBytes }) {
    await mkdir(target, { recursive: true, mode: 0o710 });
    mount('shm', target, 'tmpfs', MS_NOSUID | MS_NODEV | MS_NOEXEC, `mode=1777,size=${sizeBytes}`);
    return undefined;
  },
  probe: async ({ target }) => (isMountPoint(target) ? 'present' : 'absent'),
  async undo({ target }) {
    await unmountAll(target);
    await removeTarget(target);
    return undefined;
  },
  restore: async () => {},
};
