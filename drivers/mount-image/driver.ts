/** An image's file system, or a part of it, read-only. */
import type { MountDriver } from '@gantry/plugin-sdk/contracts/mount.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';

export const imageMountDriver: MountDriver = {
  async resolve({ source = '', target, image }) {
    if (!image)
      throw new HostError('InvalidArgument', 'INVALID_MOUNT', `mount image "${source}": no layers are named`);
    return {
      mount: { destination: target, type: 'bind', source: '', options: ['rbind', 'ro', 'rprivate'] },
      effects: [{ kind: 'snapshot-view', layers: image.layers }],
      sourceFrom: { effect: 0, ...(image.subpath && { subpath: image.subpath }) },
    };
  },
};
