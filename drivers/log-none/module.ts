/** Offers itself as the log driver `none`. */
import { type LogDriver, logPoint } from '@gantry/plugin-sdk/contracts/log.ts';
import type { DriverModule } from '@gantry/plugin-sdk/extension-point.ts';
import { noneDriver } from './driver.ts';

export const module: DriverModule<LogDriver> = {
  point: logPoint,
  name: 'none',
  requires: [],
  start: async () => noneDriver(),
};
