/**
 * Hands entries to a driver that reads them from a FIFO: any Docker log plugin. Writing never blocks and never waits for
 * the plugin elsewhere than here. What the plugin has read for a second counts as taken; when it is replaced, the rest is
 * written anew, to another FIFO.
 */

import { randomBytes } from 'node:crypto';
import { closeSync, constants, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LogDriver, LogInfo } from '@gantry/plugin-sdk/contracts/log.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { encodeEntries } from '@gantry/plugin-sdk/logs/entry-frames.ts';
import { makeFifo, unreadBytes } from '@gantry/plugin-sdk/system/fifo.ts';
import type { Batch } from './batch.ts';
import type { JournalPosition } from './journal.ts';
import type { Noted, Sink } from './sink.ts';

const CALL_MS = 5_000;
/** How long a plugin may take to store what it has read. */
export const STORE_MS = 1_000;
const LOOK_MS = 10;
const FIRST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 100;

/** The plugin as the sink needs it. */
export interface FifoDriver {
  /** Throws Unavailable and the like. */
  driver(call: { signal: AbortSignal }): Promise<LogDriver>;
  /** What tells a plugin from the one that comes after it; undefined while there is none. */
  identity(): string | undefined;
}

interface Session {
  readonly fd: number;
  readonly source: string;
  readonly plugin: string | undefined;
  /** Bytes that were written, and where in the journal those end that are not known to be taken. */
  written: number;
  readonly handed: { readonly bytes: number; readonly position: JournalPosition }[];
  /** What was read out of the FIFO, and when that was seen. */
  readonly seen: { readonly bytes: number; readonly at: number }[];
}

export class FifoSink implements Sink {
  readonly #driver: FifoDriver;
  readonly #info: LogInfo;
  readonly #dir: string;
  #session: Session | undefined;
  #opening: Promise<void> | undefined;
  #taken: JournalPosition;
  #readLogs = false;

  /** `dir`: for the FIFOs. `taken`: as far as it is known to be. */
  constructor(driver: FifoDriver, info: LogInfo, dir: string, taken: JournalPosition) {
    this.#driver = driver;
    this.#info = info;
    this.#dir = dir;
    this.#taken = taken;
  }

  async open(signal: AbortSignal): Promise<void> {
    if (this.#session) return;
    this.#opening ??= this.#begin(signal).finally(() => {
      this.#opening = undefined;
    });
    await this.#opening;
  }

  async #begin(signal: AbortSignal): Promise<void> {
    const plugin = this.#driver.identity();
    const driver = await this.#driver.driver({ signal });
    const { readLogs } = await driver.capabilities({}, { signal });
    this.#readLogs = readLogs;
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    const source = path.join(this.#dir, randomBytes(32).toString('hex'));
    makeFifo(source);
    // Open for both, so that it is there whether the plugin reads or not.
    const fd = openSync(source, constants.O_RDWR | constants.O_NONBLOCK);
    try {
      await driver.start({ source, info: this.#info }, { signal });
    } catch (error) {
      closeSync(fd);
      rmSync(source, { force: true });
      throw error;
    }
    this.#session = { fd, source, plugin, written: 0, handed: [], seen: [] };
  }

  isReplaced(): boolean {
    const now = this.#driver.identity();
    return this.#session !== undefined && now !== undefined && now !== this.#session.plugin;
  }

  async deliver({ entries, ends, next }: Batch, segment: number, signal: AbortSignal): Promise<number> {
    if (entries.length === 0) return next;
    await this.open(AbortSignal.any([signal, AbortSignal.timeout(CALL_MS)]));
    const session = this.#session as Session;
    const { bytes, ends: frames } = encodeEntries(entries);
    for (const [index, offset] of ends.entries()) {
      const position = { segment, offset: index === ends.length - 1 ? next : offset };
      session.handed.push({ bytes: session.written + (frames[index] ?? 0), position });
    }
    const before = session.written;
    for (let at = 0, pause = FIRST_PAUSE_MS; at < bytes.length; ) {
      const some = writeSome(session.fd, bytes, at);
      at += some;
      session.written = before + at;
      this.#look(session);
      if (some > 0) pause = FIRST_PAUSE_MS;
      else {
        await sleep(pause, undefined, { signal, ref: false });
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
        if (this.#session !== session || this.isReplaced()) throw replaced(this.#info);
      }
    }
    return next;
  }

  taken(handedOn: JournalPosition): JournalPosition {
    const session = this.#session;
    if (!session) return this.#taken;
    this.#look(session);
    const { seen, handed } = session;
    const sure = seen.findLast(({ at }) => performance.now() - at >= STORE_MS);
    if (!sure) return this.#taken;
    seen.splice(0, seen.indexOf(sure));
    if (sure.bytes === session.written) {
      handed.length = 0;
      this.#taken = handedOn;
    } else {
      const left = handed.findIndex(({ bytes }) => bytes > sure.bytes);
      const last = handed.splice(0, left < 0 ? handed.length : left).at(-1);
      if (last) this.#taken = last.position;
    }
    return this.#taken;
  }

  note(): Noted {
    const session = this.#session;
    const last = session?.handed.findLast(({ bytes }) => bytes <= session.written);
    return {
      readLogs: this.#readLogs,
      written: last?.position ?? this.#taken,
      ...(session?.plugin !== undefined && { plugin: session.plugin }),
    };
  }

  isEmpty(): boolean {
    return this.#session === undefined || unreadBytes(this.#session.fd) === 0;
  }

  async close(handedOn: JournalPosition): Promise<void> {
    const session = this.#session;
    if (!session) return;
    this.#session = undefined;
    this.#taken = handedOn;
    try {
      const signal = AbortSignal.timeout(CALL_MS);
      const driver = await this.#driver.driver({ signal });
      await driver.stop({ source: session.source, containerId: this.#info.containerId }, { signal });
    } finally {
      closeSync(session.fd);
      rmSync(session.source, { force: true });
    }
  }

  drop(): void {
    if (!this.#session) return;
    closeSync(this.#session.fd);
    rmSync(this.#session.source, { force: true });
    this.#session = undefined;
  }

  #look(session: Session): void {
    const bytes = session.written - unreadBytes(session.fd);
    const last = session.seen.at(-1);
    const at = performance.now();
    if (last && (last.bytes === bytes || at - last.at < LOOK_MS)) return;
    session.seen.push({ bytes, at });
  }
}

/** Bytes that went into the pipe; 0 when it is full. */
function writeSome(fd: number, bytes: Buffer, at: number): number {
  try {
    return writeSync(fd, bytes, at);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
    throw error;
  }
}

function replaced({ containerId }: LogInfo): HostError {
  return new HostError(
    'Unavailable',
    'LOG_PLUGIN_REPLACED',
    `log of ${containerId}: the plugin was replaced`,
  );
}
