/**
 * The volumes that there are: by our own books, and by what drivers have that we have not met. A driver is asked for what
 * it alone knows, and never gets to erase a record by an error.
 */
import { volumePoint } from '@gantry/plugin-sdk/contracts/volume.ts';
import { HostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { VolumeRecord } from '../../store/record-types.ts';
import type { Store } from '../../store/store.ts';
import type { Drivers } from '../drivers.ts';
import { saysAbsent } from './answers.ts';
import { listVolumes, type VolumeListing } from './list.ts';
import { scopeOf, toRecord, volumeEffect } from './record.ts';

/** How long an unknown name may keep us asking drivers that are slow to answer. */
const PROBE_MS = 1_000;

export class KnownVolumes {
  readonly #store: Store;
  readonly #drivers: Drivers;
  /** When a driver last confirmed a volume; known since the start of this daemon. */
  readonly #confirmedAt = new Map<string, string>();

  constructor(store: Store, drivers: Drivers) {
    this.#store = store;
    this.#drivers = drivers;
  }

  record(name: string): VolumeRecord | undefined {
    return this.#store.records.get('volume', name);
  }

  /** The volume of this name, adopting one that some driver has and we have not met. Throws NotFound. */
  async find(name: string, signal: AbortSignal): Promise<VolumeRecord> {
    const found = this.record(name) ?? (await this.meet(name, signal))?.record;
    if (!found) throw volumeNotFound(name);
    return found;
  }

  /**
   * The record and what the driver says of it now. A driver that does not answer in time, or that errs, takes nothing
   * away from the record; one that is there and denies the volume makes it NotFound, but keeps the record.
   */
  async inspect(name: string, signal: AbortSignal): Promise<VolumeListing> {
    const record = this.record(name);
    const found = record ? await this.#look(record, signal) : await this.meet(name, signal);
    if (!found) throw volumeNotFound(name);
    return found;
  }

  /** Undefined when the driver says by an empty answer that there is no such volume. */
  async #look(record: VolumeRecord, signal: AbortSignal): Promise<VolumeListing | undefined> {
    const soon = AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS)]);
    try {
      const driver = await this.#drivers.driver(volumePoint, record.driver);
      const live = await driver.get({ name: record.name }, { signal: soon });
      if (live) this.#confirmedAt.set(record.name, new Date().toISOString());
      return live && { record, live };
    } catch (error) {
      signal.throwIfAborted();
      const confirmedAt = this.#confirmedAt.get(record.name) ?? record.createdAt;
      return { record, live: undefined, stale: { reason: messageChain(error), confirmedAt } };
    }
  }

  /** Records merged with what each driver lists within a short time; who could not say is named in `warnings`. */
  async list(
    onlyDrivers: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly volumes: readonly VolumeListing[]; readonly warnings: readonly string[] }> {
    return listVolumes(this.#store, this.#drivers, onlyDrivers, signal);
  }

  /** Whether the volume's driver says that it has none of that name. */
  async denies({ driver, name }: VolumeRecord, signal: AbortSignal): Promise<boolean> {
    try {
      return !(await (await this.#drivers.driver(volumePoint, driver)).get({ name }, { signal }));
    } catch (error) {
      return saysAbsent(error);
    }
  }

  /** Asks every driver whether it has `name`; the first that does wins, in the order of their names, and is adopted. */
  async meet(name: string, signal: AbortSignal): Promise<VolumeListing | undefined> {
    if (this.#isBeingMade(name)) return undefined;
    const soon = AbortSignal.any([signal, AbortSignal.timeout(PROBE_MS)]);
    const known = await this.#drivers.everyDriver(volumePoint, { signal: soon });
    const answers = await Promise.all(
      known.map(async ({ name: driverName, driver }) => {
        const view = await driver?.get({ name }, { signal: soon }).catch(() => undefined);
        return driver && view && { driverName, driver, view };
      }),
    );
    const found = answers
      .filter((answer) => answer !== undefined)
      .sort((a, b) => (a.driverName < b.driverName ? -1 : 1))[0];
    if (!found) return undefined;
    const request = { name, driver: found.driverName, options: null, labels: {} };
    const scope = await scopeOf(found.driver, soon);
    const record = toRecord(request, false, scope, found.view.mountpoint, found.view.createdAt);
    return { record: await this.adopt(record), live: found.view };
  }

  /** Then its driver may have it already, and a power cut may still take it. */
  #isBeingMade(name: string): boolean {
    const making = this.#store.openOperations().flatMap(({ makes }) => makes);
    return making.some(({ kind, args }) => kind === 'volume' && 'name' in args && args.name === name);
  }

  /** Takes a volume that its driver had before us on the books. */
  async adopt(record: VolumeRecord): Promise<VolumeRecord> {
    const changes = { put: [{ kind: 'volume' as const, id: record.name, record }] };
    await this.#store.put('volume.adopt', changes, [volumeEffect(record)]);
    return record;
  }
}

export function volumeNotFound(name: string): HostError {
  return new HostError('NotFound', 'VOLUME_NOT_FOUND', `get ${name}: no such volume`);
}
