/** Volumes as the newest Engine API shows them. */
import type { VolumeListing } from '../../controllers/volume/list.ts';

export function volumeView({ record, live, stale }: VolumeListing): object {
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
    // Docker has no field for it, and people look at Status.
    ...(stale && { Status: { stale: stale.reason, lastConfirmed: stale.confirmedAt } }),
  };
}
