/** Part of a volume or image (its subpath) mounted at a path of ours, so that no link can lead the runtime elsewhere. */
import { closeSync, fstatSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { bind, isMountPoint, unmountAll } from '@gantry/plugin-sdk/system/mount.ts';
import { openBeneath } from '@gantry/plugin-sdk/system/open-beneath.ts';
import type { EffectHandler } from '../store/effect.ts';
import { removeTarget } from './mount-target.ts';

export const bindMountEffects: EffectHandler<'bind-mount'> = {
  endsWithBoot: true,
  async make({ target, source, subpath }) {
    const descriptor = openSubpath(source, subpath);
    try {
      await mkdir(path.dirname(target), { recursive: true, mode: 0o710 });
      if (fstatSync(descriptor).isDirectory()) await mkdir(target, { recursive: true });
      else await writeFile(target, '');
      bind(`/proc/self/fd/${descriptor}`, target);
    } finally {
      closeSync(descriptor);
    }
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

function openSubpath(source: string, subpath: string): number {
  try {
    return openBeneath(source, subpath);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === 'EXDEV'
        ? 'it leads out of the volume'
        : code === 'ENOENT'
          ? 'no such file or directory'
          : code;
    const kind = code === 'EXDEV' ? 'InvalidArgument' : 'NotFound';
    throw new HostError(kind, 'INVALID_SUBPATH', `mount subpath "${subpath}" of ${source}: ${why}`, {
      cause: error,
    });
  }
}
