/**
 * How a task has ended. conmon writes the exit file before it ends itself, so its end is the one event to wait for, and
 * it cannot be missed. Without a file conmon was killed: then the container's own end is waited for, its code unknown.
 */
import type { TaskExit } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { onProcessEnd, processStartTime } from '@gantry/plugin-sdk/system/pidfd.ts';
import type { TaskFiles } from './task-files.ts';

/** `containerPid` answers the first process of the container while it lives. */
export async function taskExit(
  files: TaskFiles,
  containerPid: () => Promise<number | undefined>,
  signal: AbortSignal,
): Promise<TaskExit> {
  await conmonEnd(files, signal);
  const exit = files.readExit();
  if (exit !== undefined) return exit;
  const pid = await containerPid();
  if (pid !== undefined) await processEnd(pid, signal);
  files.writeUnknownExit();
  return files.readExit() ?? taskExit(files, containerPid, signal);
}

/** Resolves at once when the exit is known, or when no conmon was started. */
export async function conmonEnd(files: TaskFiles, signal: AbortSignal): Promise<void> {
  const conmon = files.readExit() === undefined ? files.readConmon() : undefined;
  if (conmon !== undefined) await processEnd(conmon.pid, signal, conmon.startTime);
}

/** With `startTime`, a process that got the number later counts as the end of the one that is meant. */
async function processEnd(pid: number, signal: AbortSignal, startTime?: string): Promise<void> {
  signal.throwIfAborted();
  const end = onProcessEnd(pid);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort);
  try {
    const same = startTime === undefined || processStartTime(pid) === startTime;
    if (same) await Promise.race([end.ended, aborted]);
  } finally {
    end.cancel();
    signal.removeEventListener('abort', abort);
  }
}
