/** A volume of any volume driver: its mountpoint, or a part of it, seen in the container. */
import type { MountDriver } from '@gantry/plugin-sdk/contracts/mount.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';

export const volumeMountDriver: MountDriver = {
  async resolve({ source = '', target, readOnly, volume }) {
    if (!volume)
      throw new HostError('InvalidArgument', 'INVALID_MOUNT', `mount volume "${source}": no driver is named`);
    const { driver, mountId, subpath } = volume;
    return {
      mount: {
        destination: target,
        type: 'bind',
        source: '',
        options: ['rbind', ...(readOnly ? ['ro'] : []), 'rprivate'],
      },
      effects: [{ kind: 'volume-mount', driver, name: source, mountId }],
      sourceFrom: { effect: 0, ...(subpath && { subpath }) },
    };
  },
};
