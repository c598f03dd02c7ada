/** Gantry as a user runs it: the bundle, started by its executable. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { EngineUnderTest } from './peer.ts';
import { untilAnswers } from './wait.ts';

const EXECUTABLE = path.resolve(import.meta.dirname, '../../core/bin/gantryd');

export async function startGantry(root: string, flags: readonly string[] = []): Promise<EngineUnderTest> {
  const engine = new GantryEngine(root, flags);
  await engine.start();
  return engine;
}

class GantryEngine implements EngineUnderTest {
  readonly name = 'gantry';
  readonly socket: string;
  readonly pluginDir: string;
  readonly #root: string;
  readonly #flags: readonly string[];
  #child: ChildProcess | undefined;

  constructor(root: string, flags: readonly string[]) {
    this.#root = root;
    this.#flags = flags;
    this.socket = path.join(root, 'gantry.sock');
    this.pluginDir = path.join(root, 'plugins');
  }

  async start(): Promise<void> {
    mkdirSync(this.pluginDir, { recursive: true });
    const at = (name: string) => path.join(this.#root, name);
    const roots = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('gantry.pid')];
    const log = openSync(at('log'), 'a');
    this.#child = spawn(
      EXECUTABLE,
      ['-H', `unix://${this.socket}`, ...roots, '--plugin-socket-dir', this.pluginDir, ...this.#flags],
      { stdio: ['ignore', log, log] },
    );
    await untilAnswers(this.socket, 30_000);
  }

  pids(): readonly number[] {
    return [Number(readFileSync(path.join(this.#root, 'gantry.pid'), 'utf8'))];
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    child.once('exit', () => resolve());
    process.kill(this.pids()[0] ?? 0, 'SIGTERM');
    await promise;
  }
}
