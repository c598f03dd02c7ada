/** Starts the recording volume plugin as a process of its own, for tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('./volume-plugin.ts', import.meta.url));

export interface RecordedCall {
  readonly method: string;
  readonly request: unknown;
  readonly status: number | null;
  readonly response: unknown;
}

export interface VolumePlugin {
  readonly process: ChildProcess;
  /** Resolves when the process has ended, by itself or not. */
  readonly ended: Promise<unknown>;
  /** Method to { err | resp | status, body | delay | hangup, skip, times }; replaces what was set before. */
  behave(behaviours: Record<string, object>): Promise<void>;
  /** All calls so far, over restarts when there is a record file. */
  calls(): readonly RecordedCall[];
  /** Resolves when the process has ended. */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

/** Resolves when it listens. */
export async function startVolumePlugin(options: {
  socket: string;
  root: string;
  record: string;
  more?: readonly string[];
}): Promise<VolumePlugin> {
  const { socket, root, record, more = [] } = options;
  const args = [PROGRAM, '--socket', socket, '--root', root, '--record', record, ...more];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  await Promise.race([once(child.stdout, 'data'), ended]);
  return {
    process: child,
    ended,
    behave: (behaviours) => post(socket, '/Test.Behave', JSON.stringify(behaviours)),
    calls: () => (existsSync(record) ? parseLines(readFileSync(record, 'utf8')) : []),
    kill: async (signal = 'SIGTERM') => {
      child.kill(signal);
      await ended;
    },
  };
}

function parseLines(text: string): readonly RecordedCall[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

async function post(socketPath: string, path: string, body: string): Promise<void> {
  const outgoing = request({ socketPath, path, method: 'POST', agent: false });
  outgoing.end(body);
  const [response] = await once(outgoing, 'response');
  response.resume();
  await once(response, 'end');
}
