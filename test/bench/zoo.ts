/**
 * Reads and other drivers beside bad plugins: of twenty, one hangs, one is dead, one answers garbage, one sends half a
 * body and one is slow (test/fakes/plugin-zoo.ts). Absolute limits, since the peer has none.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import type { Bench } from './bench.ts';
import { startGantry } from './gantry.ts';
import { median, timed, type Verdict } from './measure.ts';
import type { EngineUnderTest } from './peer.ts';

const BAD = ['hang', 'dead', 'garbage', 'half', 'slow'];
const HEALTHY = Array.from({ length: 15 }, (_, index) => `p${String(index).padStart(2, '0')}`);
const READS = 300;
const PAIRS = 100;
const ALTERNATIONS = 5;

export async function zooCases(bench: Bench): Promise<void> {
  if (!bench.wants('bad plugins')) return;
  const root = path.join(bench.root, 'zoo');
  mkdirSync(root, { recursive: true });
  const engine = await startGantry(root);
  const zoo = spawn(process.execPath, [
    path.resolve(import.meta.dirname, '../fakes/plugin-zoo.ts'),
    engine.pluginDir,
  ]);
  try {
    await once(zoo.stdout, 'data');
    for (const name of [...HEALTHY, ...BAD])
      await call(engine, 'POST', '/volumes/create', volume(`v-${name}`, name));
    const changed = once(zoo.stdout, 'data');
    zoo.kill('SIGUSR2');
    await changed;
    bench.note(await moved(engine));
    await reads(bench, engine);
    zoo.kill('SIGKILL');
    await once(zoo, 'exit');
    await engine.stop();
    for (const name of [...HEALTHY, ...BAD])
      rmSync(path.join(engine.pluginDir, `${name}.sock`), { force: true });
    const ready = await timed(() => engine.start());
    bench.absolute('API up, 20 absent plugins with a stored volume each', 1000, [ready]);
  } finally {
    zoo.kill('SIGKILL');
    await engine.stop();
  }
}

/** Median of a healthy driver's pairs, with and without others calling the bad ones, in turn. */
async function moved(engine: EngineUnderTest): Promise<Verdict> {
  const quiet: number[] = [];
  const busy: number[] = [];
  await pairs(engine);
  for (let round = 0; round < ALTERNATIONS; round += 1) {
    quiet.push(await pairs(engine));
    const load = startLoad(engine);
    busy.push(await pairs(engine));
    await load.stop();
  }
  const ratio = median(busy.map((value, index) => value / (quiet[index] ?? Number.NaN)));
  const name = "other drivers' median beside calls to five bad plugins, over without";
  return { name, limit: 1.1, unit: 'ms', gantry: busy, docker: quiet, ratio, met: ratio <= 1.1 };
}

async function pairs(engine: EngineUnderTest): Promise<number> {
  const took: number[] = [];
  for (let pair = 0; pair < PAIRS; pair += 1) {
    took.push(
      await timed(async () => {
        await call(engine, 'POST', '/volumes/create', volume(`x${pair}`, 'p00'));
        await call(engine, 'DELETE', `/volumes/x${pair}`);
      }),
    );
  }
  return median(took);
}

async function reads(bench: Bench, engine: EngineUnderTest): Promise<void> {
  await call(engine, 'GET', '/volumes');
  const load = startLoad(engine);
  const took: number[] = [];
  for (let read = 0; read < READS; read += 1) {
    took.push(await timed(() => call(engine, 'GET', '/containers/json?all=1')));
    took.push(await timed(() => call(engine, 'GET', '/info')));
  }
  const list = await timed(() => call(engine, 'GET', '/volumes'));
  await load.stop();
  const p99 = took.toSorted((a, b) => a - b)[Math.floor(took.length * 0.99)] ?? Number.NaN;
  bench.absolute('ps and inspect beside five bad plugins, p99', 50, took, p99);
  bench.absolute('volume ls beside five bad plugins', 2000, [list]);
}

/** Two callers on each bad plugin, as a machine's other users would be. */
function startLoad(engine: EngineUnderTest): { stop(): Promise<void> } {
  const gone = new AbortController();
  const caller = async (driver: string, id: number) => {
    while (!gone.signal.aborted) {
      await call(engine, 'POST', '/volumes/create', volume(`l-${driver}-${id}`, driver), gone.signal).catch(
        () => {},
      );
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const callers = BAD.flatMap((driver) => [caller(driver, 1), caller(driver, 2)]);
  return {
    async stop() {
      gone.abort();
      await Promise.all(callers);
    },
  };
}

function volume(name: string, driver: string): object {
  return { Name: name, Driver: driver };
}

function call(
  { socket }: EngineUnderTest,
  method: string,
  at: string,
  body?: object,
  signal?: AbortSignal,
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const headers = body ? { 'Content-Type': 'application/json' } : {};
  const options = { socketPath: socket, method, path: at, headers, agent, ...(signal && { signal }) };
  const request = http.request(options, (response) => {
    response.resume();
    response.once('end', () => resolve(response.statusCode ?? 0));
    response.once('error', reject);
  });
  request.once('error', reject);
  request.end(body && JSON.stringify(body));
  return promise;
}

const agent = new http.Agent({ keepAlive: true });
