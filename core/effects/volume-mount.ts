/** One mount id given to a volume driver, for one mount point of one container. Its compensating call is `unmount`. */
import { volumePoint } from '@gantry/plugin-sdk/contracts/volume.ts';
import { isKind } from '@gantry/plugin-sdk/errors.ts';
import type { Drivers } from '../controllers/drivers.ts';
import type { EffectHandler } from '../store/effect.ts';

export function volumeMountEffects(drivers: Drivers): EffectHandler<'volume-mount'> {
  return {
    // A plugin may count mount ids on its own disk, so it is told of the end also after a restart of the machine.
    endsWithBoot: false,
    async make({ driver, name, mountId }, signal) {
      const found = await drivers.driver(volumePoint, driver);
      return (await found.mount({ name, mountId }, { signal })).mountpoint;
    },
    probe: async () => 'present',
    async undo({ driver, name, mountId }, signal) {
      try {
        await (await drivers.driver(volumePoint, driver)).unmount({ name, mountId }, { signal });
      } catch (error) {
        if (!isKind(error, 'NotFound')) throw error;
      }
      return undefined;
    },
    restore: async () => {},
  };
}
