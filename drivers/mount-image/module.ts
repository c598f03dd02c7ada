/** Offers images as mounts of type `image`. */
import { type MountDriver, mountPoint } from '@gantry/plugin-sdk/contracts/mount.ts';
import type { DriverModule } from '@gantry/plugin-sdk/extension-point.ts';
import { imageMountDriver } from './driver.ts';

export const module: DriverModule<MountDriver> = {
  point: mountPoint,
  name: 'image',
  requires: [],
  start: async () => imageMountDriver,
};
