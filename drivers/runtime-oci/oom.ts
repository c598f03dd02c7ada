/**
 * Kills for want of memory. conmon notes one in the task's directory, unless the container ends of it at once or conmon has
 * not come to look yet; the kernel counts all of them in the container's cgroup, which stays until the task is deleted.
 */
import { existsSync, readFileSync, watch } from 'node:fs';
import { basename, join } from 'node:path';
import type { TaskExit } from '@gantry/plugin-sdk/contracts/runtime.ts';
import type { TaskFiles } from './task-files.ts';

const CGROUPS = '/sys/fs/cgroup';
const LOOK_MS = 5_000;

/** Resolves at the first of a container that lives. Rejects when `signal` aborts. */
export async function oomOf(files: TaskFiles, signal: AbortSignal): Promise<void> {
  const { dir, oom } = files;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  using cleanup = new DisposableStack();
  const watcher = watch(dir, { persistent: false }, (_event, name) => name === basename(oom) && resolve());
  cleanup.defer(() => watcher.close());
  watcher.on('error', reject);
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort);
  cleanup.defer(() => signal.removeEventListener('abort', abort));
  if (signal.aborted) abort();
  const look = () => {
    if (existsSync(oom) || oomKills(files) > 0) resolve();
  };
  const timer = setInterval(look, LOOK_MS).unref();
  cleanup.defer(() => clearInterval(timer));
  look();
  await promise;
}

/** The exit with what the kernel has counted. */
export function withOom(exit: TaskExit, files: TaskFiles): TaskExit {
  if (exit.oomKilled) return exit;
  return { ...exit, oomKilled: oomKills(files) > 0 };
}

function oomKills(files: TaskFiles): number {
  const path = files.readNote()?.cgroupsPath;
  if (path === undefined) return 0;
  const counts = [join(CGROUPS, 'memory', path, 'memory.oom_control'), join(CGROUPS, path, 'memory.events')];
  for (const file of counts) {
    try {
      return Number(/^oom_kill (\d+)$/m.exec(readFileSync(file, 'utf8'))?.[1] ?? 0);
    } catch {
      // The other hierarchy, or gone.
    }
  }
  return 0;
}
