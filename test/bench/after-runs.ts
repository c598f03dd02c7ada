/** What `docker run --rm` must have taken along, and the filter that must have been in force. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Bench } from './bench.ts';
import type { EngineUnderTest } from './peer.ts';

const CGROUPS = ['/sys/fs/cgroup/memory/gantry', '/sys/fs/cgroup/gantry'];
/** Of other daemons on this machine. */
const before = new Set(CGROUPS.flatMap(containerDirs));

/** Answers what it found, as a sentence. Throws when something was left. */
export async function checkAfterRuns(bench: Bench): Promise<string> {
  for (const engine of bench.both) await checkOne(bench, engine);
  return 'After the runs nothing of a container was left (record, mount, cgroup, files), and `Seccomp: 2` was in force in both engines.';
}

async function checkOne(bench: Bench, engine: EngineUnderTest): Promise<void> {
  const run = ['run', '--rm', '--network', 'none', 'busybox', 'grep', 'Seccomp:', '/proc/self/status'];
  const { stdout } = await bench.docker(engine, ...run);
  if (!/Seccomp:\s*2/.test(stdout)) throw new Error(`${engine.name}: no seccomp filter in force: ${stdout}`);
  const { stdout: left } = await bench.docker(engine, 'ps', '-aq');
  if (left.trim() !== '') throw new Error(`${engine.name}: containers left: ${left}`);
  if (engine.name !== 'gantry') return;
  const root = bench.rootOf(engine);
  const mounts = readFileSync(`/proc/${engine.pids()[0]}/mountinfo`, 'utf8')
    .split('\n')
    .filter((line) => line.includes(`${root}/exec`));
  if (mounts.length > 0) throw new Error(`gantry: mounts left:\n${mounts.join('\n')}`);
  const dirs = [path.join(root, 'data/containers'), path.join(root, 'exec/containers')];
  const files = [...dirs.flatMap(containerDirs), ...(await emptyCgroups())];
  if (files.length > 0) throw new Error(`gantry: left behind: ${files.join(', ')}`);
}

/** Other daemons make and remove theirs meanwhile; one that stays without a process is nobody's. */
async function emptyCgroups(): Promise<readonly string[]> {
  const empty = () =>
    CGROUPS.flatMap(containerDirs).filter(
      (dir) => !before.has(dir) && isEmpty(path.join(dir, 'cgroup.procs')),
    );
  const first = empty();
  if (first.length === 0) return [];
  await delay(2_000);
  const second = new Set(empty());
  return first.filter((dir) => second.has(dir));
}

function isEmpty(file: string): boolean {
  try {
    return readFileSync(file, 'utf8') === '';
  } catch {
    return false; // it is gone
  }
}

function containerDirs(dir: string): readonly string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { withFileTypes: true })
    .filter((one) => one.isDirectory() && /^[0-9a-f]{64}$/.test(one.name))
    .map((one) => path.join(dir, one.name));
}
