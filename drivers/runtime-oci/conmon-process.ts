/** A conmon that was started before, perhaps by an earlier daemon: whether it lives, and how it is told something. */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { processStartTime } from '@gantry/plugin-sdk/system/pidfd.ts';
import type { TaskFiles } from './task-files.ts';

/** Whether the conmon that was started for the task still is the process of that number. */
export function isAlive(files: TaskFiles): boolean {
  const conmon = files.readConmon();
  return conmon !== undefined && processStartTime(conmon.pid) === conmon.startTime;
}

/** Writes to the FIFO that conmon reads its orders from; nobody reads it once the task has ended. */
export function tellConmon(files: TaskFiles, message: string): void {
  try {
    const fd = openSync(files.control, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      writeSync(fd, message);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw notRunning('tell', files.id, error);
  }
}

export function notRunning(verb: string, id: string, cause?: unknown): HostError {
  return new HostError('FailedPrecondition', 'TASK_NOT_RUNNING', `${verb} task "${id}": it is not running`, {
    cause,
  });
}
