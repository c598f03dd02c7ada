/** Volumes as the newest Engine API shows them. */
import type { VolumeView } from '@gantry/plugin-sdk/contracts/volume.ts';
import type { VolumeRecord } from '../../store/record-types.ts';

export function volumeView(record: VolumeRecord, live: VolumeView | undefined): object {
  const { name, driver, labels, options, scope, createdAt, anonymous } = record;
  const marked = anonymous ? { 'com.docker.volume.anonymous': '', ...labels } : labels;
  return {
    CreatedAt: live?.createdAt ?? createdAt,
    Driver: driver,
    Labels: Object.keys(marked).length > 0 ? marked : null,
    Mountpoint: live?.mountpoint ?? record.mountpoint,
    Name: name,
    Options: options,
    Scope: scope,
    ...(live?.status && Object.keys(live.status).length > 0 && { Status: live.status }),
  };
}
