/** `docker volume ls`: the records, and beside them what each driver lists while it answers soon enough. */

import type { VolumeDriver } from '@gantry/plugin-sdk/contracts/volume.ts';
import { type VolumeView, volumePoint } from '@gantry/plugin-sdk/contracts/volume.ts';
import { messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { VolumeRecord } from '../../store/record-types.ts';
import type { Store } from '../../store/store.ts';
import type { Drivers, FoundDriver } from '../drivers.ts';

export interface VolumeListing {
  readonly record: VolumeRecord;
  /** What the driver said just now; undefined when it was not asked or did not answer in time. */
  readonly live: VolumeView | undefined;
  /** Set when a driver that was asked did not answer: why, and when it last confirmed the volume (RFC 3339). */
  readonly stale?: { readonly reason: string; readonly confirmedAt: string };
}

/** Docker waits for its slowest plugin; a person looking at a list does not want to. */
const LIST_MS = 1_200;

export async function listVolumes(
  store: Store,
  drivers: Drivers,
  only: readonly string[] | undefined,
  signal: AbortSignal,
): Promise<{ readonly volumes: readonly VolumeListing[]; readonly warnings: readonly string[] }> {
  const soon = AbortSignal.any([signal, AbortSignal.timeout(LIST_MS)]);
  const found = await drivers.everyDriver(volumePoint, { signal: soon });
  const asked = only ? found.filter(({ name }) => only.includes(name)) : found;
  const answers = await Promise.all(asked.map((one) => ask(one, soon)));
  signal.throwIfAborted();

  const records = store.records.all('volume');
  const failed = new Map(answers.flatMap(({ name, error }) => (error === undefined ? [] : [[name, error]])));
  const live = new Map(
    answers.flatMap(({ name, views }) => views.map((view) => [`${name}/${view.name}`, view] as const)),
  );
  const listings = records.map((record) => ({ record, live: live.get(`${record.driver}/${record.name}`) }));
  // A volume that is being made is not there yet: a power cut may still take it.
  const making = store.openOperations().flatMap(({ makes }) => makes);
  const known = new Set([...records.map(({ name }) => name), ...making.map(({ args }) => nameOf(args))]);
  const strangers = answers.flatMap(({ name, views }) =>
    views
      .filter((view) => !known.has(view.name))
      .map((view) => ({ record: strangerRecord(name, view), live: view })),
  );
  return { volumes: [...listings, ...strangers], warnings: warningsOf(failed, records) };
}

function nameOf(args: object): string {
  return 'name' in args ? String(args.name) : '';
}

interface ListAnswer {
  readonly name: string;
  readonly views: readonly VolumeView[];
  readonly error?: unknown;
}

async function ask(
  { name, driver, error }: FoundDriver<VolumeDriver>,
  signal: AbortSignal,
): Promise<ListAnswer> {
  if (!driver) return { name, views: [], error };
  try {
    return { name, views: await driver.list({}, { signal }) };
  } catch (thrown) {
    return { name, views: [], error: thrown };
  }
}

/** One line for each driver that could not say, with the volumes shown from our own books for it. */
function warningsOf(
  failed: ReadonlyMap<string, unknown>,
  records: readonly VolumeRecord[],
): readonly string[] {
  return [...failed].map(([driver, error]) => {
    const stale = records.filter((record) => record.driver === driver).map(({ name }) => name);
    const shown = stale.length > 0 ? ` (from the last record: ${stale.join(', ')})` : '';
    return `list ${driver}: ${messageChain(error)}${shown}`;
  });
}

/** A volume that its driver has and nobody has asked us for yet; it goes on the books at first use. */
function strangerRecord(driver: string, view: VolumeView): VolumeRecord {
  return {
    name: view.name,
    driver,
    labels: {},
    options: null,
    scope: 'local',
    createdAt: view.createdAt ?? '0001-01-01T00:00:00Z',
    anonymous: false,
    mountpoint: view.mountpoint,
  };
}
