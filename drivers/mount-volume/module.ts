/** Offers volumes as mounts of type `volume`. */
import { type MountDriver, mountPoint } from '@gantry/plugin-sdk/contracts/mount.ts';
import type { DriverModule } from '@gantry/plugin-sdk/extension-point.ts';
import { volumeMountDriver } from './driver.ts';

export const module: DriverModule<MountDriver> = {
  point: mountPoint,
  name: 'volume',
  requires: [],
  start: async () => volumeMountDriver,
};
