/** `/dev/shm`: `--shm-size`, and whose it is under `--ipc`. */
import path from 'node:path';
import type { OciMount } from '@gantry/plugin-sdk/contracts/mount.ts';
import { type Effect, effect } from '../../../store/effect.ts';
import { invalidOption, whole } from './fields.ts';
import { joinedContainer, type NamespaceOptions } from './namespaces.ts';

export const SHM_FIELDS = { ShmSize: whole };
export interface ShmOptions extends NamespaceOptions {
  readonly ShmSize?: number;
}

export interface ShmDefaults {
  readonly shmSizeBytes?: number;
}

const DEFAULT_BYTES = 64 * 1024 * 1024;
const AT = '/dev/shm';

export function settleShm({ ShmSize = 0 }: ShmOptions, { shmSizeBytes }: ShmDefaults): { ShmSize: number } {
  if (ShmSize < 0) throw invalidOption('SHM size can not be less than 0');
  return { ShmSize: ShmSize || (shmSizeBytes ?? DEFAULT_BYTES) };
}

/** What a container with memory for others must make at its start; undefined for any other. */
export function shmEffect(
  stateDir: string,
  id: string,
  { IpcMode, ShmSize }: ShmOptions,
): Effect<'shm-mount'> | undefined {
  if (IpcMode !== 'shareable') return undefined;
  return effect('shm-mount', id, { target: shmPath(stateDir, id), sizeBytes: ShmSize || DEFAULT_BYTES });
}

/** The OCI mount of `/dev/shm`; undefined with `--ipc none`. */
export function shmMount(
  stateDir: string,
  id: string,
  { IpcMode = '', ShmSize }: ShmOptions,
): OciMount | undefined {
  if (IpcMode === 'none') return undefined;
  const shared = (source: string) => ({
    destination: AT,
    type: 'bind',
    source,
    options: ['rbind', 'rprivate', 'nosuid', 'nodev', 'noexec'],
  });
  if (IpcMode === 'host') return shared(AT);
  const donor = joinedContainer(IpcMode) ?? (IpcMode === 'shareable' ? id : undefined);
  if (donor !== undefined) return shared(shmPath(stateDir, donor));
  const options = ['nosuid', 'noexec', 'nodev', 'mode=1777', `size=${ShmSize || DEFAULT_BYTES}`];
  return { destination: AT, type: 'tmpfs', source: 'shm', options };
}

function shmPath(stateDir: string, id: string): string {
  return path.join(stateDir, id, 'shm');
}
