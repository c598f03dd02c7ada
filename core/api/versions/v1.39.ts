/** Up to 1.39: a new container's IPC can be shared unless it says otherwise, and binds always bring what lies below. */
import { eachMount, inOrder, object, type VersionStep, within, without } from './step.ts';

export const v1_39: VersionStep = {
  version: '1.39',
  up: {
    'container.create': object(
      inOrder(
        (body) => ({ ...body, HostConfig: body.HostConfig ?? {} }),
        within('HostConfig', (hostConfig) => ({
          ...without('KernelMemoryTCP')(hostConfig),
          IpcMode: hostConfig.IpcMode || 'shareable',
        })),
        eachMount(within('BindOptions', without('NonRecursive'))),
      ),
    ),
    'container.update': object(without('PidsLimit')),
  },
};
