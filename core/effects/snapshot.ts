/** A container's writable layer. */
import { snapshotPoint } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import type { Drivers } from '../controllers/drivers.ts';
import type { EffectHandler } from '../store/effect.ts';

export function snapshotEffects(drivers: Drivers): EffectHandler<'snapshot'> {
  return {
    endsWithBoot: false,
    async make({ driver, ...snapshot }, signal) {
      await (await drivers.driver(snapshotPoint, driver)).prepare(snapshot, { signal });
      return undefined;
    },
    async probe({ driver, key }, signal) {
      const keys = await (await drivers.driver(snapshotPoint, driver)).list({}, { signal });
      return keys.includes(key) ? 'present' : 'absent';
    },
    async undo({ driver, key }, signal) {
      await (await drivers.driver(snapshotPoint, driver)).remove({ key }, { signal });
      return 'unsynced';
    },
    async restore({ driver, ...snapshot }, signal) {
      // One that lasts was synced when it was made; made again, it would hide that it was lost.
      if (snapshot.volatile)
        await (await drivers.driver(snapshotPoint, driver)).prepare(snapshot, { signal });
    },
  };
}
