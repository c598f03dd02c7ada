/**
 * What is known of a container's log: how far its driver has taken the journal. One small file beside the journal,
 * written over in place: that needs no room on a full disk, and a crash of the daemon leaves the old text or the new.
 */
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { JOURNAL_START, type JournalPosition } from './journal.ts';

export interface LogState {
  /** Everything before was taken. */
  readonly taken: JournalPosition;
  /** What the driver's last `append` answered. */
  readonly mark: string;
  /** Of a driver that reads from a FIFO: everything before was written to it. */
  readonly written?: JournalPosition;
  /** Which plugin that was, so that another one is known to be another. */
  readonly plugin?: string;
  readonly readLogs?: boolean;
}

export const FRESH_LOG: LogState = { taken: JOURNAL_START, mark: '' };

const ROOM_BYTES = 1024;

export function readLogState(file: string): LogState {
  try {
    return { ...FRESH_LOG, ...(JSON.parse(readFileSync(file, 'utf8')) as LogState) };
  } catch {
    return FRESH_LOG; // none yet, or one that a power cut took
  }
}

export function writeLogState(file: string, state: LogState): void {
  const fd = openSync(file, constants.O_RDWR | constants.O_CREAT, 0o640);
  try {
    writeSync(
      fd,
      JSON.stringify(state)
        .padEnd(ROOM_BYTES - 1)
        .concat('\n'),
      0,
      'utf8',
    );
  } finally {
    closeSync(fd);
  }
}
