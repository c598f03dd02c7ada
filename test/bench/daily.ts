/** What people do all day: exec, start, stop, a run on the host's network; and many containers at once. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Bench } from './bench.ts';
import { timed } from './measure.ts';

const MANY = 'memory with 200 running containers, supervisors included';
const MANY_CONTAINERS = 200;
const BOX = 'bench-box';

/** Each case leaves its engines as it found them. */
export async function dailyCases(bench: Bench): Promise<void> {
  const [EXEC, STOP, START] = ['docker exec', 'docker stop', 'docker start'];
  if ([EXEC, STOP, START].some((name) => bench.wants(name))) {
    for (const engine of bench.both) await bench.docker(engine, ...runDetached(BOX), ...TERMINABLE);
    await bench.compare(EXEC, { limit: 0.55 }, (engine) =>
      timed(() => bench.docker(engine, 'exec', BOX, 'true')),
    );
    await bench.compare(STOP, { limit: 0.4 }, async (engine) => {
      await bench.docker(engine, 'start', BOX);
      return timed(() => bench.docker(engine, 'stop', BOX));
    });
    for (const engine of bench.both) await bench.docker(engine, 'stop', BOX);
    await bench.compare(START, { limit: 0.4 }, async (engine) => {
      const took = await timed(() => bench.docker(engine, 'start', BOX));
      await bench.docker(engine, 'stop', BOX);
      return took;
    });
    for (const engine of bench.both) await bench.docker(engine, 'rm', '-f', BOX);
  }
  await bench.compare('docker run --rm --network host', { limit: 0.4 }, (engine) =>
    timed(() => bench.docker(engine, 'run', '--rm', '--network', 'host', 'busybox', 'true')),
  );
  if (bench.wants(MANY)) await manyContainers(bench);
}

/** The first process of a container ends at no SIGTERM that it does not ask for. */
const TERMINABLE = ['busybox', 'sh', '-c', 'trap "exit 0" TERM; while :; do sleep 100000 & wait; done'];

function runDetached(name: string): readonly string[] {
  return ['run', '-d', '--network', 'none', '--name', name];
}

async function manyContainers(bench: Bench): Promise<void> {
  const all = Array.from({ length: MANY_CONTAINERS }, (_, index) => `many-${index}`);
  for (const engine of bench.both) {
    await inGroups(all, async (name) => {
      await bench.docker(engine, ...runDetached(name), 'busybox', 'sleep', '100000');
    });
  }
  await bench.compare(MANY, { limit: 0.5, unit: 'MiB', rounds: 3 }, async (engine) =>
    proportionalMiB([...engine.pids(), ...supervisors(bench.rootOf(engine))]),
  );
  for (const engine of bench.both) await bench.docker(engine, 'rm', '-f', ...all);
}

async function inGroups(names: readonly string[], work: (name: string) => Promise<void>): Promise<void> {
  for (let at = 0; at < names.length; at += 4) await Promise.all(names.slice(at, at + 4).map(work));
}

const SUPERVISORS = ['conmon', 'containerd-shim'];

/** The processes that hold the containers: by the root that their command line names. */
function supervisors(root: string): readonly number[] {
  return readdirSync('/proc').flatMap((entry) => {
    const pid = Number(entry);
    if (!(pid > 0)) return [];
    try {
      const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
      const known = SUPERVISORS.some((one) => name.startsWith(one));
      return known && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(root) ? [pid] : [];
    } catch {
      return []; // it has ended
    }
  });
}

/** Two hundred processes of one program share most of it, so each counts with its part. */
function proportionalMiB(pids: readonly number[]): number {
  const part = (pid: number) =>
    Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
  return pids.reduce((sum, pid) => sum + part(pid), 0) / 1024;
}
