/** `docker run`, and what the engine weighs after a hundred of them. */
import { checkAfterRuns } from './after-runs.ts';
import type { Bench } from './bench.ts';
import { timed } from './measure.ts';
import { memoryMiB } from './memory.ts';
import type { EngineUnderTest } from './peer.ts';

export async function runCases(bench: Bench): Promise<void> {
  const [gantry] = bench.both;
  const run = (engine: EngineUnderTest, ...args: string[]) =>
    timed(() => bench.docker(engine, 'run', '--rm', '--network', 'none', ...args, 'busybox', 'true'));
  await bench.compare('docker run --rm --network none, crun', { limit: 0.28 }, (engine) => run(engine));
  await bench.compare('docker run --rm --network none, runc', { limit: 0.4 }, (engine) =>
    engine === gantry ? run(engine, '--runtime', 'runc') : run(engine),
  );
  bench.notes.push(await checkAfterRuns(bench));
  const MEMORY = 'memory after 100 runs';
  if (!bench.wants(MEMORY)) return;
  for (const engine of bench.both) for (let count = 0; count < 100; count += 1) await run(engine);
  await bench.compare(MEMORY, { limit: 0.8, unit: 'MiB', rounds: 5 }, async (engine) =>
    memoryMiB(engine.pids()),
  );
}
