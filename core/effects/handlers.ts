/** Every effect kind with what the ledger does about it: the one list of them. */
import type { TaskSpec } from '@gantry/plugin-sdk/contracts/runtime.ts';
import type { Drivers } from '../controllers/drivers.ts';
import type { EffectHandlers } from '../store/effect.ts';
import { bindMountEffects } from './bind-mount.ts';
import { directoryEffects } from './directory.ts';
import { shmMountEffects } from './shm-mount.ts';
import { snapshotEffects } from './snapshot.ts';
import { snapshotMountEffects } from './snapshot-mount.ts';
import { taskEffects } from './task.ts';
import { taskPauseEffects } from './task-pause.ts';
import { unpackedImageEffects } from './unpacked-image.ts';
import { volumeEffects } from './volume.ts';
import { volumeMountEffects } from './volume-mount.ts';

export interface EffectParts {
  readonly drivers: Drivers;
  readonly taskSpec: (id: string) => TaskSpec;
  readonly collectImages: (signal: AbortSignal) => Promise<void>;
}

export function effectHandlers({ drivers, taskSpec, collectImages }: EffectParts): EffectHandlers {
  return {
    volume: volumeEffects(drivers),
    'volume-mount': volumeMountEffects(drivers),
    snapshot: snapshotEffects(drivers),
    'snapshot-mount': snapshotMountEffects(drivers),
    'host-directory': directoryEffects,
    'bind-mount': bindMountEffects,
    'shm-mount': shmMountEffects,
    task: taskEffects(drivers, taskSpec),
    'task-pause': taskPauseEffects(drivers),
    'unpacked-image': unpackedImageEffects(collectImages),
  };
}
