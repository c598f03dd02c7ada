/**
 * A thousand containers started and removed: what the daemon holds after the first two hundred, it holds after all of
 * them. By the API, since the docker command would take most of the time.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';

const FIRST = 200;
const ALL = 1_000;
const AT_ONCE = 3;
/** What a collection of garbage may leave or take between two looks. */
const MEMORY_MIB = 12;
/** Of what is opened for a moment, such as the database's for a checkpoint. */
const FEW = 3;

t.setTimeout(280_000);
t.test('a thousand containers leave nothing', async (t) => {
  const daemon = await startTestDaemon(t);
  await daemon.loadBusybox();
  await run(daemon, FIRST);
  const early = await held(daemon);
  await run(daemon, ALL - FIRST);
  const late = await held(daemon);
  const { memoryMiB: before, descriptors: opened, ...things } = early;
  const { memoryMiB: after, descriptors: open, ...same } = late;
  t.same(same, things, 'mounts, cgroups, files, processes');
  t.ok(open <= opened + FEW, `descriptors: ${opened}, then ${open}`);
  t.ok(after <= before + MEMORY_MIB, `memory: ${before.toFixed(1)}, then ${after.toFixed(1)} MiB`);
  const { findings } = (await daemon.api('GET', '/gantry/fsck')).body as { findings: { kind: string }[] };
  t.same(
    findings.filter(({ kind }) => kind !== 'cgroup'), // those may be of other daemons on this machine
    [],
    'the books agree with the machine',
  );
});

const ids = new Set<string>();

async function run(daemon: TestDaemon, count: number): Promise<void> {
  let left = count;
  const client = async () => {
    while (left-- > 0) await runOne(daemon);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, client));
}

/** Every third removes itself, every third is removed while it runs; all write a line. */
async function runOne(daemon: TestDaemon): Promise<void> {
  const kind = ids.size % 3;
  const created = await daemon.api('POST', '/containers/create', {
    Image: 'busybox',
    Cmd: ['sh', '-c', `echo said${kind === 2 ? '; sleep 1000' : ''}`],
    HostConfig: { NetworkMode: 'none', AutoRemove: kind === 0 },
  });
  const { Id: id } = created.body as { Id: string };
  ids.add(id);
  const gone = kind === 0 && daemon.api('POST', `/containers/${id}/wait?condition=removed`);
  const started = await daemon.api('POST', `/containers/${id}/start`);
  if (started.status !== 204) throw new Error(`start ${id}: ${started.status} ${started.text}`);
  if (gone) {
    await gone;
    return;
  }
  if (kind === 1) await daemon.api('POST', `/containers/${id}/wait`);
  const removed = await daemon.api('DELETE', `/containers/${id}?force=1`);
  if (removed.status !== 204) throw new Error(`remove ${id}: ${removed.status} ${removed.text}`);
}

interface Held {
  readonly descriptors: number;
  readonly mounts: number;
  readonly cgroups: number;
  readonly files: number;
  readonly processes: number;
  readonly memoryMiB: number;
}

/** The least of some seconds: what is done behind an answer, and a collection of garbage, have their time. */
async function held(daemon: TestDaemon): Promise<Held> {
  let least = look(daemon);
  for (let round = 0; round < 25; round++) {
    await delay(200);
    const now = look(daemon);
    const smaller = Object.entries(now).map(([name, value]) => [
      name,
      Math.min(value, least[name as keyof Held]),
    ]);
    least = Object.fromEntries(smaller) as unknown as Held;
  }
  return least;
}

function look({ pid, dir, dataRoot, execRoot }: TestDaemon): Held {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    mounts: readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
      .split('\n')
      .filter((line) => line.includes(dir)).length,
    cgroups: cgroups(),
    files: files(dataRoot) + files(execRoot),
    processes: children(pid),
    memoryMiB: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024,
  };
}

/** The database's own files come and go. */
function files(dir: string): number {
  const kept = entries(dir).filter((name) => name !== 'store');
  return kept.reduce((sum, name) => sum + 1 + files(path.join(dir, name)), 0);
}

function cgroups(): number {
  const hierarchies = ['', ...readdirSync('/sys/fs/cgroup')].map((name) => `/sys/fs/cgroup/${name}/gantry`);
  return hierarchies.flatMap(entries).filter((name) => ids.has(name)).length;
}

function children(pid: number): number {
  const tasks = entries(`/proc/${pid}/task`);
  const all = tasks.flatMap((task) => {
    try {
      return readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean);
    } catch {
      return []; // the thread has ended
    }
  });
  return all.length;
}

function entries(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch {
    return []; // it is no directory, or gone
  }
}
