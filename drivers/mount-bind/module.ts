/** Offers host paths as mounts of type `bind`. */
import { type MountDriver, mountPoint } from '@gantry/plugin-sdk/contracts/mount.ts';
import type { DriverModule } from '@gantry/plugin-sdk/extension-point.ts';
import { bindDriver } from './driver.ts';

export const module: DriverModule<MountDriver> = {
  point: mountPoint,
  name: 'bind',
  requires: [],
  start: async () => bindDriver,
};
