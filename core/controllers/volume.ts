/**
 * Volumes: named storage of any volume driver. The store's record is the truth about who has a volume; a driver is asked
 * for what it alone knows, and never gets to erase a record by an error.
 */
import { randomBytes } from 'node:crypto';
import { type VolumeDriver, volumePoint } from '@gantry/plugin-sdk/contracts/volume.ts';
import { HostError, isHostError, isKind, messageChain } from '@gantry/plugin-sdk/errors.ts';
import { effect } from '../store/effect.ts';
import type { LockKey, Locks } from '../store/locks.ts';
import type { Operation } from '../store/operation.ts';
import type { VolumeRecord } from '../store/record-types.ts';
import { changedNothing } from '../store/refusal.ts';
import type { Replay } from '../store/replay.ts';
import type { Store } from '../store/store.ts';
import type { Drivers } from './drivers.ts';
import { saysAbsent } from './volume-answers.ts';
import { listVolumes, type VolumeListing } from './volume-list.ts';
import { sizeOf } from './volume-size.ts';
import { containersUsing } from './volume-use.ts';

export interface VolumeRequest {
  /** '' makes an anonymous volume with a random name. */
  readonly name: string;
  /** '' means: the driver that has a volume of this name, else `local`. */
  readonly driver: string;
  readonly options: Readonly<Record<string, string>> | null;
  readonly labels: Readonly<Record<string, string>>;
}

export const LOCAL_DRIVER = 'local';
/** How long an unknown name may keep us asking drivers that are slow to answer. */
const PROBE_MS = 1_000;

export class Volumes {
  readonly #store: Store;
  readonly #locks: Locks;
  readonly #drivers: Drivers;
  readonly #replay: Replay;
  /** When a driver last confirmed a volume; known since the start of this daemon. */
  readonly #confirmedAt = new Map<string, string>();

  constructor(store: Store, locks: Locks, drivers: Drivers, replay: Replay) {
    this.#store = store;
    this.#locks = locks;
    this.#drivers = drivers;
    this.#replay = replay;
  }

  record(name: string): VolumeRecord | undefined {
    return this.#store.records.get('volume', name);
  }

  /** Makes the volume, or answers the one that is there when the driver is the same. */
  async create(request: VolumeRequest, signal: AbortSignal): Promise<VolumeRecord> {
    const anonymous = request.name === '';
    const name = anonymous ? randomBytes(32).toString('hex') : request.name;
    return this.#locks.hold([`volume/${name}`], signal, () =>
      this.createLocked({ ...request, name }, anonymous, signal),
    );
  }

  /** As `create`, for a caller that holds the key of the volume. */
  async createLocked(request: VolumeRequest, anonymous: boolean, signal: AbortSignal): Promise<VolumeRecord> {
    await this.#settleEarlier(request.name, signal);
    const known = this.record(request.name);
    if (known) return this.#reuse(known, request, signal);
    const found = request.driver === '' && !anonymous ? await this.#probe(request.name, signal) : undefined;
    if (found) return found.record;
    return this.#make({ ...request, driver: request.driver || LOCAL_DRIVER }, anonymous, signal);
  }

  /** The volume of this name, adopting one that some driver has and we have not met. Throws NotFound. */
  async find(name: string, signal: AbortSignal): Promise<VolumeRecord> {
    const found = this.record(name) ?? (await this.#probe(name, signal))?.record;
    if (!found) throw notFound(name);
    return found;
  }

  async remove(name: string, force: boolean, signal: AbortSignal): Promise<void> {
    await this.#locks.hold([`volume/${name}`], signal, async () => {
      await this.#settleEarlier(name, signal);
      const record = this.record(name) ?? (await this.#probe(name, signal))?.record;
      if (!record) {
        if (force) return;
        throw notFound(name);
      }
      const users = containersUsing(this.#store, name);
      if (users.length > 0) {
        throw new HostError(
          'Conflict',
          'VOLUME_IN_USE',
          `remove ${name}: volume is in use - [${users.join(', ')}]`,
          {
            details: { containers: users },
          },
        );
      }
      if (force) await this.#removeOrForget(record, signal);
      else await this.removeLocked(record, signal);
    });
  }

  /**
   * The record and what the driver says of it now. A driver that does not answer in time, or that errs, takes nothing
   * away from the record; one that is there and denies the volume makes it NotFound, but keeps the record.
   */
  async inspect(name: string, signal: AbortSignal): Promise<VolumeListing> {
    const record = this.record(name);
    const found = record ? await this.#look(record, signal) : await this.#probe(name, signal);
    if (!found) throw notFound(name);
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

  /** Removes local volumes that nobody uses: the anonymous ones, or with `all` the named ones too. One key at a time. */
  async prune(
    { all, wanted }: { all: boolean; wanted: (labels: VolumeRecord['labels']) => boolean },
    signal: AbortSignal,
  ): Promise<{ readonly removed: readonly string[]; readonly reclaimedBytes: number }> {
    const removed: string[] = [];
    let reclaimedBytes = 0;
    for (const { name } of this.#store.records.all('volume')) {
      await this.#locks.hold([`volume/${name}`], signal, async () => {
        const record = this.record(name);
        if (record?.driver !== LOCAL_DRIVER || !(all || record.anonymous) || !wanted(record.labels)) return;
        if (containersUsing(this.#store, name).length > 0) return;
        const bytes = await sizeOf(await this.#mountpointOf(record, signal));
        await this.removeLocked(record, signal);
        reclaimedBytes += bytes;
        removed.push(name);
      });
    }
    return { removed, reclaimedBytes };
  }

  async #mountpointOf({ driver, name }: VolumeRecord, signal: AbortSignal): Promise<string> {
    return (await (await this.#drivers.driver(volumePoint, driver)).path({ name }, { signal })).mountpoint;
  }

  /** As `remove`, for a caller that holds the key and knows that nobody uses it. */
  async removeLocked(record: VolumeRecord, signal: AbortSignal): Promise<void> {
    const { name } = record;
    const key = volumeEffect(record).key;
    const forward = { remove: [{ kind: 'volume' as const, id: name }] };
    const back = { put: [{ kind: 'volume' as const, id: name, record }] };
    const plan = { releases: [key], forward, back };
    await using op = await this.#store.begin('volume.remove', `volume/${name}`, plan);
    try {
      await op.release(key, signal);
    } catch (error) {
      if (changedNothing(error)) await op.abandon();
      throw new HostError('Unknown', 'VOLUME_REMOVE_FAILED', `remove ${name}`, { cause: error });
    }
    op.finish();
  }

  /**
   * A removal or creation that its driver gave no answer to is settled before anybody counts on the volume; the caller
   * holds its key. Errors: Unavailable while the driver still gives none.
   */
  async #settleEarlier(name: string, signal: AbortSignal): Promise<void> {
    const object = `volume/${name}` as const;
    if (!this.#store.openOperations().some((open) => open.object === object)) return;
    if (await this.#replay.settleHeld(object, signal)) return;
    const reason = this.#replay.waiting().get(object) ?? 'its driver gave no answer';
    throw new HostError(
      'Unavailable',
      'VOLUME_UNSETTLED',
      `volume ${name}: an earlier call is open: ${reason}`,
      {
        hint: `see what it waits for with: gantry driver why volume/${name}`,
      },
    );
  }

  /** `rm -f`: a volume that its driver refuses to remove, and denies to have, goes off the books. */
  async #removeOrForget(record: VolumeRecord, signal: AbortSignal): Promise<void> {
    try {
      await this.removeLocked(record, signal);
    } catch (error) {
      if (!(await this.denies(record, signal))) throw error;
      const { key } = volumeEffect(record);
      await using op = await this.#store.begin('volume.forget', `volume/${record.name}`, {});
      op.forget(key);
      await op.commit({ remove: [{ kind: 'volume', id: record.name }] });
    }
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
  async #probe(name: string, signal: AbortSignal): Promise<VolumeListing | undefined> {
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
    return { record: await this.#adopt(record), live: found.view };
  }

  /** Then its driver may have it already, and a power cut may still take it. */
  #isBeingMade(name: string): boolean {
    const making = this.#store.openOperations().flatMap(({ makes }) => makes);
    return making.some(({ kind, args }) => kind === 'volume' && 'name' in args && args.name === name);
  }

  async #reuse(known: VolumeRecord, request: VolumeRequest, signal: AbortSignal): Promise<VolumeRecord> {
    if (request.driver === '' || request.driver === known.driver) return known;
    await this.#drivers.driver(volumePoint, request.driver);
    signal.throwIfAborted();
    throw new HostError(
      'Conflict',
      'VOLUME_NAME_TAKEN',
      `create ${request.name}: conflict: driver '${known.driver}' already has volume '${request.name}': volume name must be unique`,
    );
  }

  async #make(request: VolumeRequest, anonymous: boolean, signal: AbortSignal): Promise<VolumeRecord> {
    const { name } = request;
    const driver = await this.#drivers.driver(volumePoint, request.driver);
    const found = await getOrAbsent(driver, name, signal);
    if (found)
      return this.#adopt(toRecord(request, anonymous, await scopeOf(driver, signal), found.mountpoint));

    const record = toRecord(request, anonymous, await scopeOf(driver, signal), '');
    const forward = { put: [{ kind: 'volume' as const, id: name, record }] };
    const back = { remove: [{ kind: 'volume' as const, id: name }] };
    const plan = { makes: [volumeEffect(record)], forward, back };
    await using op = await this.#store.begin('volume.create', `volume/${name}`, plan);
    try {
      await this.#makeEffect(op, record, signal);
      op.finish();
      return record;
    } catch (error) {
      if (isHostError(error) && changedNothing(error.cause)) await op.abandon();
      throw error;
    }
  }

  /**
   * Of an anonymous volume about to be made within a container's own operation, so that neither is there without the
   * other: its record, under a name that nobody else can have. Asks the driver as `create` does.
   */
  async planAnonymous(request: VolumeRequest, signal: AbortSignal): Promise<VolumeRecord> {
    const name = randomBytes(32).toString('hex');
    const driver = request.driver || LOCAL_DRIVER;
    await getOrAbsent(await this.#drivers.driver(volumePoint, driver), name, signal);
    return toRecord({ ...request, name, driver }, true, 'local', '');
  }

  /** Makes the volume of a record, which the operation's intent named; answers the record to commit. */
  async makeWithin(op: Operation, record: VolumeRecord, signal: AbortSignal): Promise<VolumeRecord> {
    const driver = await this.#drivers.driver(volumePoint, record.driver);
    await this.#makeEffect(op, record, signal);
    return { ...record, scope: await scopeOf(driver, signal) };
  }

  async #makeEffect(op: Operation, record: VolumeRecord, signal: AbortSignal): Promise<void> {
    try {
      await op.make(volumeEffect(record), signal);
    } catch (error) {
      const kind = isKind(error, 'InvalidArgument', 'AlreadyExists') ? error.kind : 'Unknown';
      throw new HostError(kind, 'VOLUME_CREATE_FAILED', `create ${record.name}`, { cause: error });
    }
  }

  /** Takes a volume that its driver had before us on the books. */
  async #adopt(record: VolumeRecord): Promise<VolumeRecord> {
    const changes = { put: [{ kind: 'volume' as const, id: record.name, record }] };
    await this.#store.put('volume.adopt', changes, [volumeEffect(record)]);
    return record;
  }
}

export function volumeEffect(record: { name: string; driver: string; options: VolumeRecord['options'] }) {
  const { name, driver, options } = record;
  const owner = `volume/${name}` as const;
  return { ...effect('volume', `${driver}/${name}`, { driver, name, options }), owner };
}

/** Lock keys of the volumes named, for a caller that is about to count on them. */
export function volumeKeys(names: readonly string[]): readonly LockKey[] {
  return names.map((name): LockKey => `volume/${name}`);
}

function toRecord(
  request: VolumeRequest,
  anonymous: boolean,
  scope: VolumeRecord['scope'],
  mountpoint: string,
  createdAt = new Date().toISOString(),
): VolumeRecord {
  const { name, driver, labels, options } = request;
  return { name, driver, labels, options, scope, createdAt, anonymous, mountpoint };
}

/**
 * A plugin says "no such volume" by an empty answer or by an `Err`, and Docker takes both for absent. What follows here
 * is a `create`, which never destroys, so the same is safe; a transport error is not an answer and ends the request.
 */
async function getOrAbsent(driver: VolumeDriver, name: string, signal: AbortSignal) {
  try {
    return await driver.get({ name }, { signal });
  } catch (error) {
    if (saysAbsent(error)) return undefined;
    throw new HostError('Unavailable', 'DRIVER_UNAVAILABLE', `create ${name}`, { cause: error });
  }
}

/** A driver that cannot say its scope has the smaller one, as in Docker. */
async function scopeOf(driver: VolumeDriver, signal: AbortSignal): Promise<VolumeRecord['scope']> {
  try {
    return (await driver.capabilities({}, { signal })).scope;
  } catch (error) {
    if (isKind(error, 'Canceled')) throw error;
    return 'local';
  }
}

function notFound(name: string): HostError {
  return new HostError('NotFound', 'VOLUME_NOT_FOUND', `get ${name}: no such volume`);
}
