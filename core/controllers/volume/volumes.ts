/** Volumes, made and removed: named storage of any volume driver. The store's record is the truth about who has one. */
import { randomBytes } from 'node:crypto';
import { type VolumeDriver, volumePoint } from '@gantry/plugin-sdk/contracts/volume.ts';
import { HostError, isHostError, isKind } from '@gantry/plugin-sdk/errors.ts';
import { treeUsage } from '@gantry/plugin-sdk/system/held-directory.ts';
import { volumeEvent } from '../../events/emit.ts';
import type { EventLog } from '../../events/event-log.ts';
import type { Locks } from '../../store/locks.ts';
import type { Operation } from '../../store/operation.ts';
import type { VolumeRecord } from '../../store/record-types.ts';
import { changedNothing } from '../../store/refusal.ts';
import type { Replay } from '../../store/replay.ts';
import type { Store } from '../../store/store.ts';
import type { Drivers } from '../drivers.ts';
import { saysAbsent } from './answers.ts';
import { KnownVolumes, volumeNotFound } from './known.ts';
import { LOCAL_DRIVER, scopeOf, toRecord, type VolumeRequest, volumeEffect } from './record.ts';
import { containersUsing } from './use.ts';

export class Volumes {
  readonly #store: Store;
  readonly #locks: Locks;
  readonly #drivers: Drivers;
  readonly #replay: Replay;
  readonly #events: EventLog;
  readonly known: KnownVolumes;

  constructor(store: Store, locks: Locks, drivers: Drivers, replay: Replay, events: EventLog) {
    this.#store = store;
    this.#locks = locks;
    this.#drivers = drivers;
    this.#replay = replay;
    this.#events = events;
    this.known = new KnownVolumes(store, drivers);
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
    const known = this.known.record(request.name);
    if (known) return this.#reuse(known, request, signal);
    const met = request.driver === '' && !anonymous ? await this.known.meet(request.name, signal) : undefined;
    if (met) return met.record;
    return this.#make({ ...request, driver: request.driver || LOCAL_DRIVER }, anonymous, signal);
  }

  async remove(name: string, force: boolean, signal: AbortSignal): Promise<void> {
    await this.#locks.hold([`volume/${name}`], signal, async () => {
      await this.#settleEarlier(name, signal);
      const record = this.known.record(name) ?? (await this.known.meet(name, signal))?.record;
      if (!record) {
        if (force) return;
        throw volumeNotFound(name);
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

  /** Removes local volumes that nobody uses: the anonymous ones, or with `all` the named ones too. One key at a time. */
  async prune(
    { all, wanted }: { all: boolean; wanted: (labels: VolumeRecord['labels']) => boolean },
    signal: AbortSignal,
  ): Promise<{ readonly removed: readonly string[]; readonly reclaimedBytes: number }> {
    const removed: string[] = [];
    let reclaimedBytes = 0;
    for (const { name } of this.#store.records.all('volume')) {
      await this.#locks.hold([`volume/${name}`], signal, async () => {
        const record = this.known.record(name);
        if (record?.driver !== LOCAL_DRIVER || !(all || record.anonymous) || !wanted(record.labels)) return;
        if (containersUsing(this.#store, name).length > 0) return;
        const bytes = await sizeOf(await this.#mountpointOf(record, signal), signal);
        await this.removeLocked(record, signal);
        reclaimedBytes += bytes;
        removed.push(name);
      });
    }
    this.#events.emit('volume', 'prune', '', { reclaimed: String(reclaimedBytes) });
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
    const plan = { releases: [key], forward, declared: true };
    await using op = await this.#store.begin('volume.remove', `volume/${name}`, plan);
    try {
      await op.release(key, signal);
    } catch (error) {
      if (changedNothing(error)) await op.abandon();
      throw new HostError('Unknown', 'VOLUME_REMOVE_FAILED', `remove ${name}`, { cause: error });
    }
    op.finish();
    volumeEvent(this.#events, record, 'destroy');
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
      if (!(await this.known.denies(record, signal))) throw error;
      const { key } = volumeEffect(record);
      await using op = await this.#store.begin('volume.forget', `volume/${record.name}`, {});
      op.forget(key);
      await op.commit({ remove: [{ kind: 'volume', id: record.name }] });
      volumeEvent(this.#events, record, 'destroy');
    }
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
      return this.known.adopt(toRecord(request, anonymous, await scopeOf(driver, signal), found.mountpoint));

    const record = toRecord(request, anonymous, await scopeOf(driver, signal), '');
    const forward = { put: [{ kind: 'volume' as const, id: name, record }] };
    const plan = { makes: [volumeEffect(record)], forward, declared: true };
    await using op = await this.#store.begin('volume.create', `volume/${name}`, plan);
    try {
      await this.#makeEffect(op, record, signal);
      op.finish();
      volumeEvent(this.#events, record, 'create');
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

/** By descriptors: a container may be moving things about in it. */
async function sizeOf(mountpoint: string, signal: AbortSignal): Promise<number> {
  const usage = await treeUsage(mountpoint, signal).catch(() => undefined);
  signal.throwIfAborted();
  return usage?.sizeBytes ?? 0;
}
