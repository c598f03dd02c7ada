/** Local volumes that are on no book. Other drivers' volumes go on the books at first use, and need not be there. */
import { volumePoint } from '@gantry/plugin-sdk/contracts/volume.ts';
import { LOCAL_DRIVER } from '../volume/record.ts';
import { argsOf, isBusy } from './books.ts';
import { type Check, REPAIR, soon } from './finding.ts';

export const unlistedVolumes: Check = async (scene, signal) => {
  const driver = await scene.drivers.driver(volumePoint, LOCAL_DRIVER);
  const views = await driver.list({}, { signal: soon(signal) });
  const known = new Set([
    ...scene.store.records.ids('volume'),
    ...argsOf(scene, 'volume').map(({ name }) => name),
  ]);
  return views
    .filter(({ name }) => !known.has(name) && !isBusy(scene, `volume/${name}`))
    .map(({ name, mountpoint }) => ({
      kind: 'volume-unlisted',
      subject: name,
      what: `local volume "${name}" at "${mountpoint}" is on no book`,
      mend: `"${REPAIR}" takes it on the books as it is; "docker volume rm ${name}" removes it`,
      repair: async (within) => void (await scene.volumes.known.find(name, within)),
    }));
};
