/** What `docker run --rm` must have taken along, and the filter that must have been in force. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { EngineUnderTest } from './peer.ts';

export const afterRunsNote =
  'After the runs nothing of a container was left (record, mount, cgroup, files), and `Seccomp: 2` was in force in both engines.';

const CGROUPS = ['/sys/fs/cgroup/memory/gantry', '/sys/fs/cgroup/gantry'];
/** Of other daemons on this machine. */
const before = new Set(CGROUPS.flatMap(containerDirs));

type Docker = (engine: EngineUnderTest, ...args: string[]) => Promise<{ stdout: string }>;

/** Throws when something was left. */
export async function checkAfterRuns(engine: EngineUnderTest, root: string, docker: Docker): Promise<void> {
  const run = ['run', '--rm', '--network', 'none', 'busybox', 'grep', 'Seccomp:', '/proc/self/status'];
  const { stdout } = await docker(engine, ...run);
  if (!/Seccomp:\s*2/.test(stdout)) throw new Error(`${engine.name}: no seccomp filter in force: ${stdout}`);
  const { stdout: left } = await docker(engine, 'ps', '-aq');
  if (left.trim() !== '') throw new Error(`${engine.name}: containers left: ${left}`);
  if (engine.name !== 'gantry') return;
  const mounts = readFileSync(`/proc/${engine.pids()[0]}/mountinfo`, 'utf8')
    .split('\n')
    .filter((line) => line.includes(`${root}/exec`));
  if (mounts.length > 0) throw new Error(`gantry: mounts left:\n${mounts.join('\n')}`);
  const dirs = [path.join(root, 'data/containers'), path.join(root, 'exec/containers'), ...CGROUPS];
  const files = dirs.flatMap(containerDirs).filter((dir) => !before.has(dir));
  if (files.length > 0) throw new Error(`gantry: left behind: ${files.join(', ')}`);
}

function containerDirs(dir: string): readonly string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { withFileTypes: true })
    .filter((one) => one.isDirectory() && /^[0-9a-f]{64}$/.test(one.name))
    .map((one) => path.join(dir, one.name));
}
