/** Offers itself as the log driver `json-file`. */
import { type LogDriver, logPoint } from '@gantry/plugin-sdk/contracts/log.ts';
import type { DriverModule } from '@gantry/plugin-sdk/extension-point.ts';
import { jsonFileDriver } from './driver.ts';

export const module: DriverModule<LogDriver> = {
  point: logPoint,
  name: 'json-file',
  requires: [],
  start: async () => jsonFileDriver(),
};
