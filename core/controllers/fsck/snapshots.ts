/** Writable layers that a snapshot driver has and no book. */
import { snapshotPoint } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import { argsOf } from './books.ts';
import { type Check, type Found, REPAIR, soon } from './finding.ts';

export const unknownSnapshots: Check = async (scene, signal) => {
  const drivers = await scene.drivers.everyDriver(snapshotPoint, { signal: soon(signal) });
  const found = await Promise.all(
    drivers.map(async ({ name, driver }): Promise<readonly Found[]> => {
      const keys = (await driver?.list({}, { signal: soon(signal) }).catch(() => [])) ?? [];
      const known = argsOf(scene, 'snapshot').filter((snapshot) => snapshot.driver === name);
      return keys
        .filter((key) => !known.some((snapshot) => snapshot.key === key))
        .map((key) => ({
          kind: 'snapshot',
          subject: `${name}/${key}`,
          what: `snapshot driver "${name}" has a snapshot ${key} that is on no book`,
          mend: `"${REPAIR}" removes it with what was written there`,
          repair: async (within) => driver?.remove({ key }, { signal: within }),
        }));
    }),
  );
  return found.flat();
};
