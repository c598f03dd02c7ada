/** A volume made by a volume driver. Its compensating call is `remove`. */
import { volumePoint } from '@gantry/plugin-sdk/contracts/volume.ts';
import { isKind } from '@gantry/plugin-sdk/errors.ts';
import type { Drivers } from '../controllers/drivers.ts';
import { saysAbsent } from '../controllers/volume/answers.ts';
import type { EffectHandler } from '../store/effect.ts';

export function volumeEffects(drivers: Drivers): EffectHandler<'volume'> {
  return {
    endsWithBoot: false,
    async make({ driver, name, options }, signal) {
      await (await drivers.driver(volumePoint, driver)).create({ name, options }, { signal });
      return undefined;
    },
    async probe({ driver, name }, signal) {
      try {
        const found = await (await drivers.driver(volumePoint, driver)).get({ name }, { signal });
        return found ? 'present' : 'absent';
      } catch (error) {
        if (saysAbsent(error)) return 'absent';
        throw error;
      }
    },
    async undo({ driver, name }, signal) {
      const found = await drivers.driver(volumePoint, driver);
      try {
        await found.remove({ name }, { signal });
      } catch (error) {
        if (!isKind(error, 'NotFound')) throw error;
      }
      return found.restore ? 'unsynced' : undefined;
    },
    async restore({ driver, name, options }, signal) {
      const found = await drivers.driver(volumePoint, driver);
      await found.restore?.({ name, options }, { signal });
    },
  };
}
