/** `gantry driver serve` as a process of the test's own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Teardown } from '../../fixtures/daemon.ts';

const GANTRY = resolve(import.meta.dirname, '../../../core/bin/gantry');
const READY_MS = 30_000;

export interface ServedDriver {
  readonly pid: number;
  /** What it wrote. */
  log(): string;
  /** Resolves with the exit status, null after SIGKILL. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
}

export interface ServePlace {
  readonly dir: string;
  readonly socket: string;
  readonly wire?: 'docker' | 'json-rpc';
  /** Process in whose mount namespace it is to run. */
  readonly mountsOf?: number | undefined;
}

/** `root` and `state` below `dir`. Resolves when it listens. */
export async function serveDriver(
  t: Teardown,
  name: string,
  { dir, socket, wire, mountsOf }: ServePlace,
): Promise<ServedDriver> {
  const flags = ['--socket', socket, '--root', join(dir, 'root'), '--state', join(dir, 'state')];
  const command = [GANTRY, 'driver', 'serve', name, ...flags, ...(wire ? ['--wire', wire] : [])];
  const [program = '', ...args] =
    mountsOf === undefined ? command : ['nsenter', '-m', '-t', String(mountsOf), ...command];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  const exited = new Promise<number | null>((ended) => child.once('exit', ended));
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (child.exitCode === null) child.kill(signal);
    return exited;
  };
  t.teardown(async () => void (await end('SIGKILL')));
  await ready(child, socket, () => said);
  return { pid: child.pid ?? 0, log: () => said, end };
}

async function ready(child: ChildProcess, socket: string, said: () => string): Promise<void> {
  const until = Date.now() + READY_MS;
  while (child.exitCode === null && Date.now() < until) {
    if (said().includes(`at ${socket}\n`) && existsSync(socket)) return;
    await delay(10);
  }
  throw new Error(`the driver does not serve:\n${said()}`);
}
