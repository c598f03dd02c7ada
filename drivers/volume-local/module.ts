/** Offers directories of this host, and what can be mounted on them, as volumes. */
import { type VolumeDriver, volumePoint } from '@gantry/plugin-sdk/contracts/volume.ts';
import type { DriverModule } from '@gantry/plugin-sdk/extension-point.ts';
import { LocalVolumes } from './driver.ts';

export const module: DriverModule<VolumeDriver> = {
  point: volumePoint,
  name: 'local',
  requires: [],
  start: async (host) => LocalVolumes.open(host.rootDir, host.stateDir),
};
