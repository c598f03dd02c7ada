/**
 * The logs of all containers on their way to log drivers: when each begins and ends, in which order a driver is told,
 * and what becomes of lines that it has not taken.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import {
  type LogDriver,
  type LogFileEndpoint,
  type LogInfo,
  logPoint,
} from '@gantry/plugin-sdk/contracts/log.ts';
import { HostError, isKind, messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { Logger } from '@gantry/plugin-sdk/extension-point.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import type { Drivers } from '../drivers.ts';
import { LogBacklog } from './backlog.ts';
import { Journal } from './journal.ts';
import {
  allowedLag,
  cacheLimits,
  driverOptions,
  isCached,
  isLogKept,
  type LogConfig,
  logConfigOf,
  NO_CACHE,
  unknownLogDriver,
} from './log-config.ts';
import { logInfoOf, logPathIn } from './log-info.ts';
import { pluginPump } from './plugin-pump.ts';
import { journalFileIn, LogPump, stateFileIn } from './pump.ts';
import { type Rotated, rotateJournal } from './rotation.ts';
import { type AppendDriver, AppendSink } from './sink.ts';
import { readLogState } from './state-file.ts';

const TICK_MS = 250;
/** How long a start waits for its log driver, which may be away: then the container runs, and its lines wait. */
const START_MS = 5_000;
/** How long an end waits for its log driver to take the last lines. */
const END_MS = 5_000;
const CATCH_UP_MS = 2_000;
const CALL_MS = 10_000;

export interface DeliveryParts {
  readonly drivers: Drivers;
  /** What tells a plugin from the one that comes after it; undefined while there is none. */
  readonly identity: (plugin: string) => string | undefined;
  readonly isBuiltin: (driver: string) => boolean;
  readonly expect: (plugin: string) => void;
  readonly onAppear: (plugin: string, tell: () => void) => () => void;
  readonly log: Logger;
  /** Parent of the containers' directories. */
  readonly rootDir: string;
  /** Where the FIFOs of plugins are, and the lines that removed containers left behind. */
  readonly fifoDir: string;
  readonly backlogDir: string;
  /** How far a driver may stay behind for any container, in bytes; undefined: as far as the disk goes. */
  readonly maxLagBytes?: number | undefined;
}

interface Carried extends Rotated {
  readonly info: LogInfo;
  /** The driver writes files that go with the container; else it is a plugin, of that name. */
  readonly isFile: boolean;
  readonly plugin: string;
  readonly forget: () => void;
  finishing: Promise<void> | undefined;
  /** Readers that wait for more. */
  followers: number;
}

export class LogDelivery {
  readonly #parts: DeliveryParts;
  readonly #carried = new Map<string, Carried>();
  readonly #carrying = new Map<string, Promise<Carried>>();
  readonly #backlog: LogBacklog;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
    this.#backlog = new LogBacklog(parts);
  }

  /** Checks the options with their driver; answers the path that people are shown. Errors: InvalidArgument. */
  async check(config: LogConfig, id: string): Promise<{ readonly logPath: string }> {
    const call = { signal: AbortSignal.timeout(CALL_MS) };
    const driver = await this.#parts.drivers.driver(logPoint, config.Type, call).catch((error: unknown) => {
      if (isKind(error, 'NotFound', 'FailedPrecondition')) throw unknownLogDriver(config.Type);
      return undefined; // known, and away: its lines will wait
    });
    const checked = await driver?.check?.({ options: driverOptions(config) }, call);
    return { logPath: checked?.shown ? logPathIn(this.#dirOf(id), id) : '' };
  }

  /** Before the container's process runs. What the driver refuses fails the start; a driver that is away does not. */
  async begin(record: ContainerRecord, signal: AbortSignal): Promise<void> {
    if (!isLogKept(record)) return;
    await this.#carried.get(record.id)?.finishing;
    const carried = await this.#carry(record);
    carried.runs = true;
    carried.reopenedAt = performance.now(); // its writer opens the journal by itself
    carried.pump.setFinal(false);
    try {
      await carried.pump.sink.open(AbortSignal.any([signal, AbortSignal.timeout(START_MS)]));
    } catch (error) {
      const words = messageChain(error);
      if (
        !signal.aborted &&
        isKind(error, 'Unavailable', 'DeadlineExceeded', 'Canceled', 'ResourceExhausted')
      ) {
        this.#parts.log.warn({ container: record.id, error: words }, 'log driver is away; lines wait');
        return;
      }
      this.#drop(record.id);
      throw new HostError('Unknown', 'LOG_DRIVER_FAILED', 'failed to initialize logging driver', {
        cause: error,
      });
    }
  }

  /** The start failed after `begin`. */
  abandon(id: string): void {
    const carried = this.#carried.get(id);
    if (!carried) return;
    carried.runs = false;
    carried.pump.setFinal(true);
    void this.#end(id, carried, END_MS);
  }

  /** The container has ended: the driver gets its last lines, and a bounded time to take them. Never rejects. */
  async ended(record: ContainerRecord): Promise<void> {
    const carried = this.#carried.get(record.id) ?? (await this.#carrying.get(record.id));
    if (!carried) return;
    carried.runs = false;
    carried.pump.setFinal(true);
    // Files that go with the container need not be written when nobody reads them.
    const forNobody = record.autoRemove && carried.isFile && carried.followers === 0;
    if (!forNobody) await this.#end(record.id, carried, END_MS);
  }

  /** The container and its directory are about to go; lines that a plugin has not taken are kept for it. Never rejects. */
  async removing({ id }: Pick<ContainerRecord, 'id'>): Promise<void> {
    const carried = this.#carried.get(id) ?? (await this.#carrying.get(id));
    if (!carried) return;
    const { pump, forget, isFile } = carried;
    await carried.finishing;
    if (isFile || pump.isDone) return this.#drop(id);
    this.#carried.delete(id);
    try {
      this.#backlog.take(pump, carried.plugin, carried.info, forget);
    } catch (error) {
      forget();
      pump.stop();
      this.#parts.log.error(
        { container: id, error: messageChain(error) },
        'log lines that were not taken are lost',
      );
    }
    this.#tickOn();
  }

  /** After a start of the daemon: what runs is carried on, and so is what had not been taken. */
  async adopt(records: readonly ContainerRecord[]): Promise<void> {
    const known: Promise<void>[] = [];
    for (const record of records.filter(isLogKept)) {
      const runs = record.state.status === 'running';
      if (!runs && !existsSync(journalFileIn(this.#dirOf(record.id)))) continue;
      const adopted = this.#carry(record).then((carried) => {
        carried.runs = runs;
        carried.pump.setFinal(!runs);
      });
      // A plugin may be away: nobody waits for it.
      if (this.#parts.isBuiltin(logConfigOf(record).Type)) known.push(adopted);
    }
    await Promise.all(known);
    this.#backlog.adopt();
    this.#tickOn();
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const { pump, forget } of this.#carried.values()) {
      forget();
      pump.stop();
    }
    this.#backlog.stop();
  }

  /** Why a driver does not take the lines of a container; '' when nothing stands in the way. */
  trouble(id: string): string {
    return this.#carried.get(id)?.pump.trouble ?? '';
  }

  /** False when nobody could give its log back. */
  isReadable(record: ContainerRecord): boolean {
    if (!isLogKept(record)) return false;
    return isCached(logConfigOf(record)) || this.readsItself(record);
  }

  /** The driver gives logs back itself. */
  readsItself({ id }: ContainerRecord): boolean {
    const noted = readLogState(stateFileIn(this.#dirOf(id))).readLogs;
    return this.#carried.get(id)?.pump.readLogs || (noted ?? false);
  }

  /** Has the driver take what there is, within a bounded time; what it has taken is in `files` then. */
  async catchUp(id: string): Promise<void> {
    await this.#carried.get(id)?.pump.runFor(CATCH_UP_MS);
  }

  /** The files that hold the log, the oldest first. */
  async files(record: ContainerRecord): Promise<readonly LogFileEndpoint[]> {
    const dir = this.#dirOf(record.id);
    const driver = await this.#driverOf(record);
    const call = { signal: AbortSignal.timeout(CALL_MS) };
    if (driver?.files) return driver.files({ info: logInfoOf(record, dir) }, call);
    const carried = this.#carried.get(record.id);
    const journal = carried?.pump.journal ?? new Journal(journalFileIn(dir));
    const paths = journal.paths();
    const all = paths.includes(journal.file) ? paths : [...paths, journal.file];
    return all.map((file) => ({ path: file, framing: 'cri', compressed: false }));
  }

  /** Someone reads on while the container runs; answers what ends that. */
  follow(id: string): () => void {
    const carried = this.#carried.get(id);
    if (carried) carried.followers += 1;
    return () => {
      if (carried) carried.followers -= 1;
    };
  }

  #dirOf(id: string): string {
    return path.join(this.#parts.rootDir, id);
  }

  /** Undefined for a plugin that is away. */
  async #driverOf(record: ContainerRecord): Promise<LogDriver | undefined> {
    const { drivers, expect } = this.#parts;
    const { Type } = logConfigOf(record);
    const call = { signal: AbortSignal.timeout(START_MS) };
    return drivers.driver(logPoint, Type, call).catch(() => {
      expect(Type);
      return undefined;
    });
  }

  /** Never rejects. */
  #carry(record: ContainerRecord): Promise<Carried> {
    const known = this.#carried.get(record.id);
    if (known) return Promise.resolve(known);
    const under =
      this.#carrying.get(record.id) ?? this.#begin(record).finally(() => this.#carrying.delete(record.id));
    this.#carrying.set(record.id, under);
    return under;
  }

  async #begin(record: ContainerRecord): Promise<Carried> {
    const { id, runtime } = record;
    const config = logConfigOf(record);
    const driver = await this.#driverOf(record);
    const made = driver?.append
      ? this.#filePump(record, driver as AppendDriver)
      : this.#pluginPump(record, config);
    const carried = {
      ...made,
      runtime,
      finishing: undefined,
      runs: false,
      reopenedAt: Number.NEGATIVE_INFINITY,
      followers: 0,
    };
    this.#carried.set(id, carried);
    this.#tickOn();
    return carried;
  }

  #filePump(record: ContainerRecord, driver: AppendDriver) {
    const { log } = this.#parts;
    const { id } = record;
    const dir = this.#dirOf(id);
    const state = readLogState(stateFileIn(dir));
    const info = logInfoOf(record, dir);
    const sink = new AppendSink(driver, info, state.mark);
    const { keptBytes, segmentBytes } = NO_CACHE;
    const pump = new LogPump({ id, dir, state, sink, keptBytes, maxLagBytes: undefined, log });
    return { pump, info, plugin: '', isFile: true, segmentBytes, forget: () => {} };
  }

  #pluginPump(record: ContainerRecord, config: LogConfig) {
    const info = logInfoOf(record, '');
    const { keptBytes, segmentBytes } = cacheLimits(config);
    const maxLagBytes = allowedLag(config) ?? this.#parts.maxLagBytes;
    const limits = { keptBytes, maxLagBytes };
    const pump = pluginPump(this.#parts, config.Type, info, this.#dirOf(record.id), limits);
    const forget = this.#parts.onAppear(config.Type, () => pump.restart());
    return { pump, info, plugin: config.Type, isFile: false, segmentBytes, forget };
  }

  #drop(id: string): void {
    const carried = this.#carried.get(id);
    this.#carried.delete(id);
    carried?.forget();
    carried?.pump.stop();
  }

  /** Until the driver has taken everything, or `ms` are over; then it goes on by itself. */
  async #end(id: string, carried: Carried, ms: number): Promise<void> {
    const { pump } = carried;
    const until = performance.now() + ms;
    await pump.runFor(ms);
    while (!pump.isDone && pump.trouble === '' && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    if (pump.isDone && !carried.runs) await this.#finish(id, carried);
  }

  /** Everything was taken, and the container does not run. A start waits for this. */
  #finish(id: string, carried: Carried): Promise<void> {
    const { pump, forget } = carried;
    const finish = async () => {
      await pump.close().catch((error: unknown) => {
        this.#parts.log.warn({ container: id, error: messageChain(error) }, 'log driver not told of the end');
      });
      forget();
      pump.clear();
      pump.stop();
      if (this.#carried.get(id) === carried) this.#carried.delete(id);
    };
    carried.finishing ??= finish();
    return carried.finishing;
  }

  #tickOn(): void {
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
  }

  #tick(): void {
    for (const [id, carried] of this.#carried) {
      const { pump } = carried;
      if (carried.finishing) continue;
      pump.tick();
      if (!carried.runs && pump.isDone) void this.#finish(id, carried);
      else if (carried.runs) rotateJournal(this.#parts, id, carried);
    }
    this.#backlog.tick();
    if (this.#carried.size > 0 || this.#backlog.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
