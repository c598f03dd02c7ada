/**
 * Cuts the journals of running containers into segments, so that what was taken can go. conmon writes on whether anybody
 * looks or not: while the daemon is away a segment only grows.
 */
import { closeSync, openSync } from 'node:fs';
import { runtimePoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { Logger } from '@gantry/plugin-sdk/extension-point.ts';
import type { Drivers } from '../drivers.ts';
import type { LogPump } from './pump.ts';

const REOPEN_MS = 10_000;

export interface Rotated {
  readonly pump: LogPump;
  /** Name of the runtime driver. */
  readonly runtime: string;
  readonly segmentBytes: number;
  runs: boolean;
  reopenedAt: number;
}

interface Parts {
  readonly drivers: Drivers;
  readonly log: Logger;
}

/** Begins another segment when the current one is long enough. Never throws. */
export function rotateJournal(parts: Parts, id: string, rotated: Rotated): void {
  const { pump, segmentBytes } = rotated;
  try {
    const size = pump.journal.size();
    if (size !== undefined && size < segmentBytes) return;
    if (size === undefined && performance.now() - rotated.reopenedAt < REOPEN_MS) return;
    // conmon ends when it cannot make this file, so it is made for it, while there is room.
    closeSync(openSync(`${pump.journal.file}.tmp`, 'w', 0o600));
    if (size !== undefined) pump.journal.rotate();
    rotated.reopenedAt = performance.now();
    void reopen(parts, id, rotated);
  } catch (error) {
    parts.log.warn({ container: id, error: messageChain(error) }, 'log journal not rotated');
  }
}

/** Without a file a daemon died here, or the writer has not come to it yet; to be told twice does it no harm. */
async function reopen({ drivers, log }: Parts, id: string, rotated: Rotated): Promise<void> {
  try {
    const driver = await drivers.driver(runtimePoint, rotated.runtime);
    await driver.reopenLog?.({ id }, { signal: AbortSignal.timeout(REOPEN_MS) });
  } catch (error) {
    // Of one that has just ended there is nothing to tell.
    if (!rotated.runs) return;
    log.warn({ container: id, error: messageChain(error) }, 'log journal not reopened');
  }
}
