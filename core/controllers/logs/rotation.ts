/**
 * Keeps the logs of running containers within the sizes that they ask for. conmon writes on whether anybody looks or not:
 * while the daemon is away a log only grows, and is renamed later. Nothing is thrown away but the oldest file.
 */
import { runtimePoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { Logger } from '@gantry/plugin-sdk/extension-point.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import type { Drivers } from '../drivers.ts';
import { type LogLimits, logConfigOf, logLimits } from './log-config.ts';
import { lookAt, pruneLog, renameLog } from './log-files.ts';

const LOOK_MS = 250;
const REOPEN_MS = 10_000;

interface Watched {
  readonly id: string;
  readonly runtime: string;
  readonly file: string;
  readonly maxBytes: number;
  readonly maxFiles: number;
}

export class LogRotation {
  readonly #drivers: Drivers;
  readonly #log: Logger;
  readonly #watched = new Map<string, Watched>();
  #timer: NodeJS.Timeout | undefined;

  constructor(drivers: Drivers, log: Logger) {
    this.#drivers = drivers;
    this.#log = log;
  }

  /** From the start of a container on; without a limit there is nothing to do, and no timer. */
  watch(record: ContainerRecord, file: string): void {
    const { maxBytes, maxFiles } = this.#limitsOf(record);
    if (maxBytes === undefined) return;
    this.#watched.set(record.id, { id: record.id, runtime: record.runtime, file, maxBytes, maxFiles });
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** The container has ended. */
  unwatch(id: string): void {
    if (!this.#watched.delete(id) || this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** A record from before options were checked must not keep its container from running. */
  #limitsOf(record: ContainerRecord): LogLimits {
    try {
      return logLimits(logConfigOf(record));
    } catch (error) {
      this.#log.warn({ container: record.id, error: messageChain(error) }, 'log options ignored');
      return { maxBytes: undefined, maxFiles: 1 };
    }
  }

  #look(): void {
    for (const watched of this.#watched.values()) {
      this.#rotate(watched).catch((error: unknown) => {
        // Of one that has just ended there is nothing to tell.
        if (!this.#watched.has(watched.id)) return;
        this.#log.warn({ container: watched.id, error: messageChain(error) }, 'log not rotated');
      });
    }
  }

  async #rotate({ id, runtime, file, maxBytes, maxFiles }: Watched): Promise<void> {
    const found = lookAt(file);
    if (found) {
      // Not before the writer has opened its new file: until then it still writes to the newest of the older ones.
      pruneLog(file, maxFiles);
      if (found.size < maxBytes) return;
      renameLog(file);
    }
    // Without a file a daemon died here, or the writer has not come to it yet; to be told twice does it no harm.
    const driver = await this.#drivers.driver(runtimePoint, runtime);
    await driver.reopenLog?.({ id }, { signal: AbortSignal.timeout(REOPEN_MS) });
  }
}
