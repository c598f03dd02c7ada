/**
 * One conmon for each task: it holds the container's stdio, writes the log and the exit code, and outlives the daemon.
 * It waits on a start pipe until it stands in its own cgroup, then has the runtime create the container and answers on
 * the sync pipe with one line of JSON.
 */
import { closeSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { TaskSpec } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { createMemfd } from '@gantry/plugin-sdk/system/memfd.ts';
import { openPipe } from '@gantry/plugin-sdk/system/pipe.ts';
import { readMemfd } from '@gantry/plugin-sdk/system/run.ts';
import { spawn } from '@gantry/plugin-sdk/system/spawn.ts';
import type { Starter } from './hybrid-cgroups.ts';
import type { ConmonProgram } from './programs.ts';
import { commandFailed } from './runtime-error.ts';
import type { TaskFiles } from './task-files.ts';

export const CONMON_ENVIRONMENT = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  _OCI_SYNCPIPE: '3',
  _OCI_STARTPIPE: '4',
};

export interface ConmonOptions {
  readonly program: ConmonProgram;
  readonly runtimePath: string;
  readonly runtimeArgs: readonly string[];
  readonly starter: Starter;
  readonly runtimeRoot: string;
  readonly files: TaskFiles;
  readonly task: TaskSpec;
  /** Runs when conmon is there and has not done anything yet. */
  readonly beforeCreate: (pid: number) => Promise<void>;
  readonly signal: AbortSignal;
}

/** Creates the container and answers its first pid. When this throws something may be left for `delete`. */
export async function createUnderConmon(options: ConmonOptions): Promise<number> {
  using open = new DisposableStack();
  const said = createMemfd('conmon');
  open.defer(() => closeSync(said));
  const go = openPipe();
  open.defer(() => closeSync(go.writeEnd));
  const { pid, answer } = start(options, said, go.readEnd);
  await options.beforeCreate(pid);
  writeSync(go.writeEnd, 'x');
  const [command = ''] = options.task.spec.process.args;
  return pidOf(await answer, { verb: 'create', id: options.task.id, command }, () => readMemfd(said));
}

/** Starts conmon, which waits for `go`. The answer is the line of its sync pipe. */
function start(options: ConmonOptions, stderr: number, go: number): { pid: number; answer: Promise<string> } {
  using open = new DisposableStack();
  const sync = openPipe();
  for (const fd of [go, sync.writeEnd]) open.defer(() => closeSync(fd));
  const answer = readLine(sync.readEnd, options.signal);
  answer.catch(() => {}); // the caller may fail before it comes to await this
  const fds = ['null', 'null', stderr, sync.writeEnd, go] as const;
  const { spec } = options.task;
  const { pid } = options.starter(
    () =>
      spawn(options.program.path, conmonArguments(options), {
        cwd: options.files.dir,
        env: CONMON_ENVIRONMENT,
        fds,
      }),
    new Set([spec.root.path, ...spec.mounts.map(({ source = '' }) => source)]),
  );
  return { pid, answer };
}

function conmonArguments({
  program,
  runtimePath,
  runtimeArgs,
  runtimeRoot,
  files,
  task,
}: ConmonOptions): string[] {
  return [
    ...['--api-version', '1', '--sync', '--full-attach', ...program.extraFlags],
    ...['--cid', task.id, '--cuuid', task.id, '--name', task.id],
    ...['--runtime', runtimePath, ...runtimeWords(runtimeArgs, runtimeRoot)],
    ...['--bundle', files.dir, '--container-pidfile', files.pid, '--exit-dir', files.dir],
    ...['--log-path', task.logPath === '' ? 'none' : `k8s-file:${task.logPath}`],
    ...(task.spec.process.terminal ? ['--terminal'] : []),
    ...(task.stdin ? ['--stdin'] : []),
    // A terminal stays whoever leaves it: whoever attaches next goes on there.
    ...(task.stdin && (!task.stdinOnce || task.spec.process.terminal) ? ['--leave-stdin-open'] : []),
  ];
}

/** What the runtime is told before each order, as conmon takes it. */
export function runtimeWords(args: readonly string[], root: string): string[] {
  return [...args, '--root', root].flatMap((word) => ['--runtime-arg', word]);
}

/** The first line that comes through the pipe, or '' when it closes before; owns `fd`. */
export function readLine(fd: number, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const pipe = new Socket({ fd, readable: true, writable: false, signal });
  let text = '';
  pipe.setEncoding('utf8');
  pipe.on('data', (chunk: string) => {
    text += chunk;
    if (text.includes('\n')) pipe.destroy();
  });
  pipe.on('error', reject);
  pipe.on('close', () => resolve(text.split('\n', 1)[0] ?? ''));
  return promise;
}

/** What conmon was told to do, for its errors. */
export interface Told {
  readonly verb: 'create' | 'exec';
  readonly id: string;
  readonly command: string;
}

/** `{"data": PID}`, or a negative one with the runtime's words in `message`. */
export function pidOf(line: string, told: Told, stderr: () => string): number {
  if (line === '') throw conmonFailed(told, stderr());
  const { data, message } = JSON.parse(line) as { data: number; message?: string };
  if (data > 0) return data;
  throw commandFailed(told.verb, told.id, told.command, message ?? stderr());
}

export function conmonFailed({ verb, id }: Told, stderr: string): HostError {
  return new HostError('Unknown', 'CONMON_FAILED', `${verb} task "${id}": conmon ended: ${stderr.trim()}`);
}
