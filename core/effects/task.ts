/** A container's process with what its runtime keeps for it. The compensating call kills it and removes the rest. */

import type { TaskSpec } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { runtimePoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import type { Drivers } from '../controllers/drivers.ts';
import type { EffectHandler } from '../store/effect.ts';

/** `specOf`: the whole specification of a task about to be created; the ledger keeps only its id. */
export function taskEffects(drivers: Drivers, specOf: (id: string) => TaskSpec): EffectHandler<'task'> {
  return {
    endsWithBoot: true,
    async make({ driver, id }, signal) {
      return (await drivers.driver(runtimePoint, driver)).create(specOf(id), { signal });
    },
    async probe({ driver, id }, signal) {
      const state = await (await drivers.driver(runtimePoint, driver)).state({ id }, { signal });
      return state.status === 'absent' ? 'absent' : 'present';
    },
    async undo({ driver, id }, signal) {
      await (await drivers.driver(runtimePoint, driver)).delete({ id }, { signal });
      return undefined;
    },
    restore: async () => {},
  };
}
