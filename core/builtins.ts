/** The one list of built-in drivers, and the one place in the core that names any. */
import type { DriverModule } from '@gantry/plugin-sdk/extension-point.ts';
import logJsonFileManifest from '../drivers/log-json-file/manifest.json' with { type: 'json' };
import { module as logJsonFile } from '../drivers/log-json-file/module.ts';
import logLocalManifest from '../drivers/log-local/manifest.json' with { type: 'json' };
import { module as logLocal } from '../drivers/log-local/module.ts';
import logNoneManifest from '../drivers/log-none/manifest.json' with { type: 'json' };
import { module as logNone } from '../drivers/log-none/module.ts';
import mountBindManifest from '../drivers/mount-bind/manifest.json' with { type: 'json' };
import { module as mountBind } from '../drivers/mount-bind/module.ts';
import mountImageManifest from '../drivers/mount-image/manifest.json' with { type: 'json' };
import { module as mountImage } from '../drivers/mount-image/module.ts';
import mountTmpfsManifest from '../drivers/mount-tmpfs/manifest.json' with { type: 'json' };
import { module as mountTmpfs } from '../drivers/mount-tmpfs/module.ts';
import mountVolumeManifest from '../drivers/mount-volume/manifest.json' with { type: 'json' };
import { module as mountVolume } from '../drivers/mount-volume/module.ts';
import runtimeOciManifest from '../drivers/runtime-oci/manifest.json' with { type: 'json' };
import { runtimeOci } from '../drivers/runtime-oci/module.ts';
import snapshotOverlayManifest from '../drivers/snapshot-overlay/manifest.json' with { type: 'json' };
import { snapshotOverlay } from '../drivers/snapshot-overlay/module.ts';
import snapshotVfsManifest from '../drivers/snapshot-vfs/manifest.json' with { type: 'json' };
import { snapshotVfs } from '../drivers/snapshot-vfs/module.ts';
import volumeLocalManifest from '../drivers/volume-local/manifest.json' with { type: 'json' };
import { module as volumeLocal } from '../drivers/volume-local/module.ts';

/** In the order in which they are preferred. */
export const RUNTIMES: readonly string[] = ['crun', 'runc'];
export const SNAPSHOTS: readonly string[] = ['overlay', 'vfs'];

/** An OCI runtime of the operator's: its program, and words that come before every order to it. */
export interface RuntimeProgram {
  readonly path: string;
  readonly args: readonly string[];
}

/** `runtimes`: those of the operator, by name; one may stand in for ours of the same name. */
export function builtinDrivers(
  runtimes: Readonly<Record<string, RuntimeProgram>> = {},
): readonly DriverModule<unknown>[] {
  const ours = RUNTIMES.filter((name) => !Object.hasOwn(runtimes, name));
  return [
    ...ours.map((name) => runtimeOci({ name, runtime: name })),
    ...Object.entries(runtimes).map(([name, program]) => runtimeDriver(name, program)),
    snapshotOverlay,
    snapshotVfs,
    logJsonFile,
    logLocal,
    logNone,
    mountBind,
    mountImage,
    mountTmpfs,
    mountVolume,
    volumeLocal,
  ] as readonly DriverModule<unknown>[];
}

export function runtimeDriver(name: string, { path, args }: RuntimeProgram): DriverModule<unknown> {
  return runtimeOci({ name, runtime: path, runtimeArgs: args }) as DriverModule<unknown>;
}

/** Manifests by `POINT/NAME`. */
export const builtinManifests: Readonly<Record<string, object>> = {
  'runtime/crun': runtimeOciManifest,
  'runtime/runc': runtimeOciManifest,
  'snapshot/overlay': snapshotOverlayManifest,
  'snapshot/vfs': snapshotVfsManifest,
  'log/json-file': logJsonFileManifest,
  'log/local': logLocalManifest,
  'log/none': logNoneManifest,
  'mount/bind': mountBindManifest,
  'mount/image': mountImageManifest,
  'mount/tmpfs': mountTmpfsManifest,
  'mount/volume': mountVolumeManifest,
  'volume/local': volumeLocalManifest,
};
