/**
 * One conmon for each exec, with its stdio and exit code, as a task has one. When its socket is there it says so on the
 * attach pipe and waits on the start pipe once more: a client is attached before the runtime runs the process.
 */
import { closeSync, writeSync } from 'node:fs';
import type { ExecSpec } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { createMemfd } from '@gantry/plugin-sdk/system/memfd.ts';
import { openPipe } from '@gantry/plugin-sdk/system/pipe.ts';
import { readMemfd } from '@gantry/plugin-sdk/system/run.ts';
import { spawn } from '@gantry/plugin-sdk/system/spawn.ts';
import { CONMON_ENVIRONMENT, conmonFailed, pidOf, readLine, runtimeWords, type Told } from './conmon.ts';
import type { Starter } from './hybrid-cgroups.ts';
import type { ConmonProgram } from './programs.ts';
import type { TaskFiles } from './task-files.ts';

export interface ExecConmonOptions {
  readonly program: ConmonProgram;
  readonly runtimePath: string;
  readonly runtimeArgs: readonly string[];
  readonly starter: Starter;
  readonly runtimeRoot: string;
  readonly files: TaskFiles;
  readonly exec: ExecSpec;
  /** Runs when conmon is there and has not done anything yet; `waiting` is the caller's from then on. */
  readonly beforeSetUp: (pid: number, waiting: WaitingExec) => void;
  /** Goes on while conmon sets itself up, and is done before it starts anything. */
  readonly whileSetUp: (pid: number) => Promise<void>;
  readonly signal: AbortSignal;
}

/** This side of a conmon's pipes. */
interface Ends {
  readonly go: number;
  readonly sync: number;
  readonly stderr: number;
}

/** An exec that waits for its start. What holds it are descriptors, so no other daemon can start it. */
export class WaitingExec {
  readonly #ends: Ends;
  readonly #told: Told;
  readonly #files: TaskFiles;
  readonly #open: DisposableStack;

  constructor(ends: Ends, told: Told, files: TaskFiles, open: DisposableStack) {
    this.#ends = ends;
    this.#files = files;
    this.#told = told;
    this.#open = open;
  }

  /** Lets the runtime run the process, and answers its pid. */
  async start(signal: AbortSignal): Promise<number> {
    using _ = this.#open;
    const { go, sync, stderr } = this.#ends;
    const answer = readLine(sync, signal);
    tell(go);
    return pidOf((await answer) || this.#failure(), this.#told, () => readMemfd(stderr));
  }

  /** What conmon would have said, had crun not written it to the terminal. */
  #failure(): string {
    const message = this.#files.readRuntimeLog();
    return message && JSON.stringify({ data: -1, message });
  }

  /** For one that is never started. What ends the pipe lets conmon go on, so it has been ended before. */
  close(): void {
    if (this.#open.disposed) return;
    closeSync(this.#ends.sync);
    this.#open.dispose();
  }
}

/** Resolves when a client can attach. When this throws something may be left to delete. */
export async function setUpExec(options: ExecConmonOptions): Promise<void> {
  const { exec, signal } = options;
  const told: Told = { verb: 'exec', id: exec.id, command: exec.process.args[0] ?? '' };
  const [go, sync, attachable, stderr] = [openPipe(), openPipe(), openPipe(), createMemfd('conmon')];
  const open = new DisposableStack();
  for (const fd of [go.writeEnd, stderr]) open.defer(() => closeSync(fd));
  const waiting = new WaitingExec({ go: go.writeEnd, sync: sync.readEnd, stderr }, told, options.files, open);
  const answer = readLine(attachable.readEnd, signal);
  answer.catch(() => {}); // what comes first may fail
  const pid = start(options, [stderr, sync.writeEnd, go.readEnd, attachable.writeEnd], waiting);
  options.beforeSetUp(pid, waiting);
  tell(go.writeEnd);
  const [ready] = await Promise.all([answer, options.whileSetUp(pid)]);
  if (ready === '') throw conmonFailed(told, readMemfd(stderr));
}

/** That nobody reads any more shows in the answer. */
function tell(pipe: number): void {
  try {
    writeSync(pipe, 'x');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
  }
}

/** Closes what is conmon's alone. */
function start(
  options: ExecConmonOptions,
  [stderr, sync, go, ready]: readonly [number, number, number, number],
  waiting: WaitingExec,
): number {
  const { program, starter, files } = options;
  const env = { ...CONMON_ENVIRONMENT, _OCI_ATTACHPIPE: '5' };
  const fds = ['null', 'null', stderr, sync, go, ready] as const;
  try {
    // It needs no file system of a container: the runtime goes where the task's own processes are.
    return starter(() => spawn(program.path, conmonArguments(options), { cwd: files.dir, env, fds })).pid;
  } catch (error) {
    waiting.close();
    throw error;
  } finally {
    for (const fd of [sync, go, ready]) closeSync(fd);
  }
}

function conmonArguments({
  program,
  runtimePath,
  runtimeArgs,
  runtimeRoot,
  files,
  exec,
}: ExecConmonOptions): string[] {
  return [
    ...['--api-version', '1', '--sync', '--full-attach', ...program.extraFlags],
    ...['--cid', exec.id, '--cuuid', exec.execId, '--name', exec.execId],
    ...['--runtime', runtimePath, ...runtimeWords(runtimeArgs, runtimeRoot)],
    ...(exec.process.terminal ? ['--runtime-arg', '--log', '--runtime-arg', files.runtimeLog] : []),
    ...['--bundle', files.dir, '--container-pidfile', files.pid, '--exit-dir', files.dir],
    ...['--log-path', 'none', '--exec', '--exec-attach', '--exec-process-spec', files.process],
    ...(exec.process.terminal ? ['--terminal'] : []),
    ...(exec.stdin ? ['--stdin'] : []),
  ];
}
