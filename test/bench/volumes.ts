/** Pairs of volume create and remove, with one client and with many, on a local driver and on a plugin. */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Bench } from './bench.ts';
import type { EngineUnderTest } from './peer.ts';

const exec = promisify(execFile);

export async function volumeCases(bench: Bench): Promise<void> {
  for (const engine of bench.both) await startPlugin(bench, engine);
  for (const { name, limit, driver, clients, count } of [
    { name: 'plugin volume create + rm, 32 clients', limit: 0.6, driver: 'bench', clients: 32, count: 30 },
    { name: 'plugin volume create + rm, 1 client', limit: 0.9, driver: 'bench', clients: 1, count: 150 },
    { name: 'local volume create + rm, 1 client', limit: 0.6, driver: 'local', clients: 1, count: 150 },
    { name: 'local volume create + rm, 32 clients', limit: 0.6, driver: 'local', clients: 32, count: 30 },
  ])
    await bench.compare(name, { limit }, (engine) => pairs(engine, driver, clients, count));
}

async function startPlugin(bench: Bench, { pluginDir }: EngineUnderTest): Promise<void> {
  const socket = path.join(pluginDir, 'bench.sock');
  const program = path.resolve(import.meta.dirname, 'volume-plugin.ts');
  const child = spawn(process.execPath, [program, socket], { stdio: 'ignore' });
  bench.onEnd(async () => child.kill());
  while (!existsSync(socket)) await delay(20);
}

/** Milliseconds a pair, from a client that is a process of its own. */
async function pairs(
  { socket }: EngineUnderTest,
  driver: string,
  clients: number,
  count: number,
): Promise<number> {
  const client = path.resolve(import.meta.dirname, 'client.ts');
  const { stdout } = await exec(process.execPath, [client, socket, driver, String(clients), String(count)]);
  return Number(stdout);
}
