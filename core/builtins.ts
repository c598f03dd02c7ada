/** The one list of built-in drivers, and the one place in the core that names any. */
import type { DriverModule } from '@gantry/plugin-sdk/extension-point.ts';
import { module as mountBind } from '../drivers/mount-bind/module.ts';
import { module as mountImage } from '../drivers/mount-image/module.ts';
import { module as mountTmpfs } from '../drivers/mount-tmpfs/module.ts';
import { module as mountVolume } from '../drivers/mount-volume/module.ts';
import { runtimeOci } from '../drivers/runtime-oci/module.ts';
import { snapshotOverlay } from '../drivers/snapshot-overlay/module.ts';
import { module as volumeLocal } from '../drivers/volume-local/module.ts';

export function builtinDrivers(): readonly DriverModule<unknown>[] {
  return [
    runtimeOci({ name: 'crun', runtime: 'crun' }),
    runtimeOci({ name: 'runc', runtime: 'runc' }),
    snapshotOverlay,
    mountBind,
    mountImage,
    mountTmpfs,
    mountVolume,
    volumeLocal,
  ] as readonly DriverModule<unknown>[];
}
