/** What is written down of a volume, and what is asked of its driver for that. */
import type { VolumeDriver } from '@gantry/plugin-sdk/contracts/volume.ts';
import { isKind } from '@gantry/plugin-sdk/errors.ts';
import { effect } from '../../store/effect.ts';
import type { LockKey } from '../../store/locks.ts';
import type { VolumeRecord } from '../../store/record-types.ts';

export interface VolumeRequest {
  /** '' makes an anonymous volume with a random name. */
  readonly name: string;
  /** '' means: the driver that has a volume of this name, else `local`. */
  readonly driver: string;
  readonly options: Readonly<Record<string, string>> | null;
  readonly labels: Readonly<Record<string, string>>;
}

export const LOCAL_DRIVER = 'local';

export function volumeEffect(record: { name: string; driver: string; options: VolumeRecord['options'] }) {
  const { name, driver, options } = record;
  const owner = `volume/${name}` as const;
  return { ...effect('volume', `${driver}/${name}`, { driver, name, options }), owner };
}

/** Lock keys of the volumes named, for a caller that is about to count on them. */
export function volumeKeys(names: readonly string[]): readonly LockKey[] {
  return names.map((name): LockKey => `volume/${name}`);
}

export function toRecord(
  request: VolumeRequest,
  anonymous: boolean,
  scope: VolumeRecord['scope'],
  mountpoint: string,
  createdAt = new Date().toISOString(),
): VolumeRecord {
  const { name, driver, labels, options } = request;
  return { name, driver, labels, options, scope, createdAt, anonymous, mountpoint };
}

/** A driver that cannot say its scope has the smaller one, as in Docker. */
export async function scopeOf(driver: VolumeDriver, signal: AbortSignal): Promise<VolumeRecord['scope']> {
  try {
    return (await driver.capabilities({}, { signal })).scope;
  } catch (error) {
    if (isKind(error, 'Canceled')) throw error;
    return 'local';
  }
}
