/** A kill for want of memory while the container lives, as conmon notes it in the task's directory. */
import { existsSync, watch } from 'node:fs';
import { basename } from 'node:path';
import type { TaskFiles } from './task-files.ts';

/** Rejects when `signal` aborts. */
export async function oomOf({ dir, oom }: TaskFiles, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  using cleanup = new DisposableStack();
  const watcher = watch(dir, { persistent: false }, (_event, name) => name === basename(oom) && resolve());
  cleanup.defer(() => watcher.close());
  watcher.on('error', reject);
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort);
  cleanup.defer(() => signal.removeEventListener('abort', abort));
  if (signal.aborted) abort();
  if (existsSync(oom)) resolve();
  await promise;
}
