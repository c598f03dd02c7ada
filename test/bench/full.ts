/** Lists and starts of engines that are full of containers and volumes. */
import type { Bench } from './bench.ts';
import { timed } from './measure.ts';

const LS = 'volume ls, 1,000 volumes';
const PS = 'ps -a, 200 containers';
const READY = 'ready, 100 containers (20 running), 1,000 volumes';

export async function fullCases(bench: Bench): Promise<void> {
  if (![LS, PS, READY].some((name) => bench.wants(name))) return;
  await fill(bench);
  await bench.compare(LS, { limit: 1 }, (engine) => timed(() => bench.docker(engine, 'volume', 'ls', '-q')));
  await bench.compare(PS, { limit: 1 }, (engine) => timed(() => bench.docker(engine, 'ps', '-aq')));
  if (!bench.wants(READY)) return;
  for (const engine of bench.both) {
    await bench.docker(engine, 'rm', ...names(100, 200));
    await bench.docker(engine, 'start', ...names(0, 20));
  }
  // From the start of the process to the first answer, with the containers still running: both engines keep them.
  await bench.compare(READY, { limit: 0.5, rounds: 7 }, async (engine) => {
    await engine.stop();
    return timed(() => engine.start());
  });
}

async function fill(bench: Bench): Promise<void> {
  for (const engine of bench.both) {
    for (let at = 0; at < 1000; at += 100)
      await Promise.all(names(at, at + 100).map((name) => bench.docker(engine, 'volume', 'create', name)));
    const create = (name: string) =>
      bench.docker(engine, 'create', '--network', 'none', '--name', name, 'busybox', 'sleep', '100000');
    for (let at = 0; at < 200; at += 10) await Promise.all(names(at, at + 10).map(create));
  }
}

function names(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => `full-${from + index}`);
}
