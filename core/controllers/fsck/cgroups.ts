/**
 * Cgroups below `/gantry` and `/gantry/conmon` of containers that do not run. Other daemons of this machine have theirs
 * there too, so one with processes is ours only when its container is known here, or when a conmon working in our exec
 * root stands behind it. An empty one may be on its way in or out; the caller looks twice, a second apart.
 */
import { readdirSync, readFileSync, realpathSync, rmdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { argsOf, containersOnBooks, isBusy } from './books.ts';
import { type Check, type Found, REPAIR, type Scene } from './finding.ts';
import { parentOf, worksIn } from './processes.ts';

const CONTAINER_ID = /^[0-9a-f]{64}$/;
const ROUNDS = 100;
const PAUSE_MS = 10;

export const unknownCgroups: Check = async (scene) => {
  const running = new Set(argsOf(scene, 'task').map(({ id }) => id));
  const known = new Set([...containersOnBooks(scene), ...(await directoriesOf(scene))]);
  const exec = realpathSync(scene.dirs.exec);
  const strangers = all(scene.cgroups).filter(
    ({ id, dir }) =>
      !running.has(id) && !isBusy(scene, `container/${id}`) && isOurs(dir, known.has(id), exec),
  );
  return [...Map.groupBy(strangers, ({ id }) => id)].map(([id, places]) => toFound(id, places));
};

interface Cgroup {
  readonly id: string;
  readonly dir: string;
}

/** In every hierarchy; a v2 mount that the launcher has covered holds none. */
function all(root: string): readonly Cgroup[] {
  const hierarchies = [root, ...children(root)].filter((dir) => dir !== path.join(root, 'gantry'));
  return hierarchies.flatMap((hierarchy) => {
    const gantry = path.join(hierarchy, 'gantry');
    if (!isCgroup(gantry)) return [];
    const conmon = path.join(gantry, 'conmon');
    const dirs = [...children(gantry).filter((dir) => dir !== conmon), ...children(conmon)];
    return dirs.map((dir) => ({ id: path.basename(dir), dir })).filter(({ id }) => CONTAINER_ID.test(id));
  });
}

function isOurs(dir: string, isKnown: boolean, exec: string): boolean {
  const pids = members(dir);
  return (
    isKnown || pids.length === 0 || pids.some((pid) => worksIn(pid, exec) || worksIn(parentOf(pid), exec))
  );
}

function toFound(id: string, places: readonly Cgroup[]): Found {
  const pids = new Set(places.flatMap(({ dir }) => members(dir)));
  const inside = pids.size === 0 ? 'empty' : `with processes ${[...pids].join(', ')}`;
  return {
    kind: 'cgroup',
    subject: id,
    what: `the cgroups of container ${id}, which does not run, are there, ${inside}`,
    mend: `"${REPAIR}" ${pids.size === 0 ? '' : 'kills these and '}removes them`,
    repair: async () => {
      for (const { dir } of places) await end(dir, pids);
    },
  };
}

/** Only processes that the finding named are killed. */
async function end(dir: string, pids: ReadonlySet<number>): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    for (const pid of members(dir)) if (pids.has(pid)) kill(pid);
    if (removeTree(dir)) return;
    await delay(PAUSE_MS);
  }
  throw new HostError(
    'Conflict',
    'CGROUP_BUSY',
    `remove cgroup "${dir}": processes ${members(dir).join(', ')}`,
  );
}

function removeTree(dir: string): boolean {
  for (const child of children(dir)) removeTree(child);
  try {
    rmdirSync(dir);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function directoriesOf({ dirs }: Scene): Promise<readonly string[]> {
  const drivers = path.join(dirs.exec, 'drivers');
  const tasks = (await readdir(drivers)).map((name) => path.join(drivers, name, 'tasks'));
  const parents = [path.join(dirs.data, 'containers'), path.join(dirs.exec, 'containers'), ...tasks];
  return parents.flatMap((dir) => children(dir).map((child) => path.basename(child)));
}

function members(dir: string): readonly number[] {
  const own = (read(path.join(dir, 'cgroup.procs')) ?? '').split('\n').filter(Boolean).map(Number);
  return [...own, ...children(dir).flatMap(members)];
}

function isCgroup(dir: string): boolean {
  return read(path.join(dir, 'cgroup.procs')) !== undefined;
}

function children(dir: string): readonly string[] {
  try {
    const entries = readdirSync(dir, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => path.join(dir, entry.name));
  } catch {
    return [];
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
