/** Up to 1.38: what the daemon cannot find out about its machine is called `<unknown>`. */
import { object, type Shape, type VersionStep } from './step.ts';

export const v1_38: VersionStep = {
  version: '1.38',
  down: {
    'system.info': object((info: Shape) => ({
      ...info,
      KernelVersion: info.KernelVersion || '<unknown>',
      OperatingSystem: info.OperatingSystem || '<unknown>',
    })),
  },
};
