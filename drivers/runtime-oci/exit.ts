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
  if (pid !== undefined) await processEnd(pid, { signal });
  files.writeUnknownExit();
  return files.readExit() ?? taskExit(files, containerPid, signal);
}

/** Resolves at once when the exit is known, or when no conmon was started; at the latest after `graceMs`. */
export async function conmonEnd(files: TaskFiles, signal: AbortSignal, graceMs?: number): Promise<void> {
  const conmon = files.readExit() === undefined ? files.readConmon() : undefined;
  if (conmon !== undefined) await processEnd(conmon.pid, { signal, startTime: conmon.startTime, graceMs });
}

interface EndOptions {
  readonly signal: AbortSignal;
  /** A process that got the number later counts as the end of the one that is meant. */
  readonly startTime?: string | undefined;
  readonly graceMs?: number | undefined;
}

async function processEnd(pid: number, { signal, startTime, graceMs }: EndOptions): Promise<void> {
  signal.throwIfAborted();
  using cleanup = new DisposableStack();
  const end = onProcessEnd(pid);
  cleanup.defer(end.cancel);
  if (startTime !== undefined && processStartTime(pid) !== startTime) return;
  const { promise: cut, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort);
  cleanup.defer(() => signal.removeEventListener('abort', abort));
  if (graceMs !== undefined) {
    const timer = setTimeout(resolve, graceMs);
    cleanup.defer(() => clearTimeout(timer));
  }
  await Promise.race([end.ended, cut]);
}
