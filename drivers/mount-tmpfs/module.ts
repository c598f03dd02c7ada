/** Offers file systems in memory as mounts of type `tmpfs`. */
import { type MountDriver, mountPoint } from '@gantry/plugin-sdk/contracts/mount.ts';
import type { DriverModule } from '@gantry/plugin-sdk/extension-point.ts';
import { tmpfsDriver } from './driver.ts';

export const module: DriverModule<MountDriver> = {
  point: mountPoint,
  name: 'tmpfs',
  requires: [],
  start: async () => tmpfsDriver,
};
