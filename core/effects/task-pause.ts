/** A container's processes frozen for a moment of the daemon's own, which its record does not know of. */
import { runtimePoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { isKind } from '@gantry/plugin-sdk/errors.ts';
import type { Drivers } from '../controllers/drivers.ts';
import type { EffectHandler } from '../store/effect.ts';

export function taskPauseEffects(drivers: Drivers): EffectHandler<'task-pause'> {
  const stateOf = async (driver: string, id: string, signal: AbortSignal) =>
    (await (await drivers.driver(runtimePoint, driver)).state({ id }, { signal })).status;
  return {
    endsWithBoot: true,
    async make({ driver, id }, signal) {
      await (await drivers.driver(runtimePoint, driver)).pause?.({ id }, { signal });
      return undefined;
    },
    probe: async ({ driver, id }, signal) =>
      (await stateOf(driver, id, signal)) === 'paused' ? 'present' : 'absent',
    async undo({ driver, id }, signal) {
      if ((await stateOf(driver, id, signal)) !== 'paused') return undefined;
      try {
        await (await drivers.driver(runtimePoint, driver)).resume?.({ id }, { signal });
      } catch (error) {
        if (!isKind(error, 'NotFound', 'FailedPrecondition')) throw error; // it ended meanwhile
      }
      return undefined;
    },
    restore: async () => {},
  };
}
