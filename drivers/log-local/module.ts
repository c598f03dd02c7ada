/** Offers itself as the log driver `local`. */
import { type LogDriver, logPoint } from '@gantry/plugin-sdk/contracts/log.ts';
import type { DriverModule } from '@gantry/plugin-sdk/extension-point.ts';
import { localDriver } from './driver.ts';

export const module: DriverModule<LogDriver> = {
  point: logPoint,
  name: 'local',
  requires: [],
  start: async () => localDriver(),
};
