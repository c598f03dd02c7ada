/** Running a short program to its end. */
import { closeSync, fstatSync, readSync } from 'node:fs';
import { killProcess } from './kill.ts';
import { createMemfd } from './memfd.ts';
import { type ProcessExit, spawn } from './spawn.ts';

export interface Finished extends ProcessExit {
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Kills the program; what it had said by then is in the answer. */
  readonly signal?: AbortSignal;
}

/**
 * Runs `path` with stdin closed. Its output goes to memory files and is read once it has ended, so there is no pipe to
 * serve. An exit code other than 0 is an answer, not an error; throws only when the program cannot be started.
 */
export async function run(
  path: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  options.signal?.throwIfAborted();
  const [out, err] = [createMemfd('stdout'), createMemfd('stderr')];
  try {
    const child = spawn(path, args, { env: options.env ?? {}, fds: ['null', out, err] });
    const kill = () => killProcess(child.pid);
    options.signal?.addEventListener('abort', kill);
    const exit = await child.exited.finally(() => options.signal?.removeEventListener('abort', kill));
    return { ...exit, stdout: readMemfd(out), stderr: readMemfd(err) };
  } finally {
    closeSync(out);
    closeSync(err);
  }
}

/** All of a memory file as text, wherever its offset stands. */
export function readMemfd(fd: number): string {
  const { size } = fstatSync(fd);
  if (size === 0) return '';
  const bytes = Buffer.allocUnsafe(size);
  return bytes.toString('utf8', 0, readSync(fd, bytes, 0, size, 0));
}
