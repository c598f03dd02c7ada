/** A snapshot mounted at a path of ours. */
import { mkdir } from 'node:fs/promises';
import { snapshotPoint } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import { isMountPoint } from '@gantry/plugin-sdk/system/mount.ts';
import type { Drivers } from '../controllers/drivers.ts';
import type { EffectHandler } from '../store/effect.ts';
import { removeTarget } from './mount-target.ts';

export function snapshotMountEffects(drivers: Drivers): EffectHandler<'snapshot-mount'> {
  return {
    endsWithBoot: true,
    async make({ driver, key, target }, signal) {
      await mkdir(target, { recursive: true, mode: 0o710 });
      await (await drivers.driver(snapshotPoint, driver)).mount({ key, target }, { signal });
      return undefined;
    },
    probe: async ({ target }) => (isMountPoint(target) ? 'present' : 'absent'),
    async undo({ driver, key, target }, signal) {
      await (await drivers.driver(snapshotPoint, driver)).unmount({ key, target }, { signal });
      await removeTarget(target);
      return undefined;
    },
    restore: async () => {},
  };
}
