/** The gantry command against a real daemon with real plugins: drivers, why, and fsck with planted left-overs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { isUnifiedCgroup } from '@gantry/plugin-sdk/oci/default-spec.ts';
import { mount } from '@gantry/plugin-sdk/system/mount.ts';
import t from 'tap';
import { FINDING_KINDS, type Finding } from '../../core/controllers/fsck/finding.ts';
import { startVolumePlugin } from '../fakes/start-volume-plugin.ts';
import { startTestDaemon, type Teardown, type TestDaemon } from '../fixtures/daemon.ts';

async function plugin(t: Teardown, daemon: TestDaemon, name: string) {
  const started = await startVolumePlugin({
    socket: path.join(daemon.pluginDir, `${name}.sock`),
    root: path.join(daemon.dir, `volumes-${name}`),
    record: path.join(daemon.dir, `${name}.calls`),
  });
  t.teardown(() => started.kill('SIGKILL'));
  return started;
}

/** Asks again until the answer has all of `parts`; a person would do the same. */
async function until(
  daemon: TestDaemon,
  args: readonly string[],
  ...parts: readonly RegExp[]
): Promise<string> {
  for (;;) {
    const { stdout } = await daemon.gantry(args);
    if (parts.every((part) => part.test(stdout))) return stdout;
    await delay(50);
  }
}

async function findings(daemon: TestDaemon, ...flags: readonly string[]) {
  const { stdout, code } = await daemon.gantry(['fsck', ...flags, '--format', 'json']);
  const report = JSON.parse(stdout) as {
    findings: Finding[];
    repaired?: Finding[];
    failed?: { finding: Finding; error: string }[];
  };
  return { code, ...report };
}

/** Another test's daemon may just have been killed, and its containers ended. */
function mine(all: readonly Finding[], known: readonly string[] = []): readonly Finding[] {
  return all.filter(({ kind, subject }) => kind !== 'cgroup' || known.includes(subject));
}

t.test('drivers: listed, inspected', async (t) => {
  const daemon = await startTestDaemon(t);
  await plugin(t, daemon, 'rec');
  const listed = await daemon.gantry(['driver', 'ls']);
  t.equal(listed.code, 0, listed.stderr);
  t.match(listed.stdout, /^POINT +NAME +CARRIER +STATE +SINCE +CALLS +LAST-ERROR\n/);
  t.match(listed.stdout, /^volume +local +in-process +ready +\d+s +\d+ +-$/m);
  t.match(listed.stdout, /^- +rec +docker-http +declared /m, 'a plugin that nobody has asked yet');

  t.equal((await daemon.docker(['volume', 'create', '-d', 'rec', 'data'])).code, 0);
  t.match(
    (await daemon.gantry(['driver', 'ls'])).stdout,
    /^volume +rec +docker-http +ready +\d+s +\d+ \(1 failed\) +\d+s ago: no such volume$/m,
  );
  const rows = JSON.parse((await daemon.gantry(['driver', 'ls', '--format', 'json'])).stdout);
  t.match(
    rows.find((row: { name: string }) => row.name === 'rec'),
    { point: 'volume', state: 'ready', enabled: true, breaker: 'closed', inFlight: [] },
  );

  const builtIn = (await daemon.gantry(['driver', 'inspect', 'volume/local'])).stdout;
  t.match(builtIn, /^manifest +\{.*"name":"gantry\/volume-local"/m);
  t.match(builtIn, /^capabilities +\{"scope":"local"\}$/m);
  const remote = (await daemon.gantry(['driver', 'inspect', 'rec'])).stdout;
  t.match(remote, new RegExp(`^address +unix://${daemon.pluginDir}/rec.sock$`, 'm'));
  t.match(remote, /^breaker +closed$/m);
  t.match(remote, /^METHOD +CALLS +FAILED +MEAN-MS\n/m);
  t.match(remote, /^create +1 +0 +\d/m);
  t.match((await daemon.gantry(['driver', 'inspect', 'volume'])).stdout, /^point +mount$/m);
  t.match(await daemon.gantry(['driver', 'inspect', 'lcoal']), {
    code: 1,
    stderr: /no driver "lcoal": did you mean "local"\?/,
  });
  t.match(await daemon.gantry(['-H', `${daemon.host}.not`, 'driver', 'ls']), {
    code: 1,
    stderr: /no daemon answers/,
  });
});

t.test('why: a healthy object, a dead plugin, a hung one', async (t) => {
  const daemon = await startTestDaemon(t);
  const rec = await plugin(t, daemon, 'rec');
  const hung = await plugin(t, daemon, 'hung');
  const id = await daemon.loadBusybox();
  await daemon.docker(['volume', 'create', '-d', 'rec', 'data']);
  const created = await daemon.docker([
    'create',
    '--name',
    'web',
    '--network',
    'none',
    '-v',
    'data:/data',
    'busybox',
  ]);
  t.equal(created.code, 0, created.stderr);
  const why = async (object: string) => (await daemon.gantry(['driver', 'why', object])).stdout;

  const healthy = await why('web');
  t.match(healthy, /^container "web" \([0-9a-f]{12}\): created\n/);
  for (const line of [
    /runtime\/\w+ \(runs it\): ready/,
    /snapshot\/overlay \(holds its file system\): ready/,
    /mount\/volume \(plans \/data\): ready/,
    /volume\/rec \(holds volume "data" at \/data\): ready/,
    /Waits for\n {2}nothing\n/,
    /Nothing: all its drivers are ready/,
  ])
    t.match(healthy, line);
  t.match(await why('container/web'), /^container "web"/);
  t.match(await why('data'), /^volume "data": on the books\n/);
  t.match(await why(`image/${id}`), /^image ".*busybox:latest"/);
  t.match(await daemon.gantry(['driver', 'why', 'dta']), { code: 1, stderr: /did you mean "data"\?/ });

  // Killed: its socket stays, and nobody listens there.
  await rec.kill('SIGKILL');
  t.not((await daemon.docker(['start', 'web'])).code, 0);
  const dead = await why('data');
  t.match(dead, /volume\/rec \(holds it\): (degraded|crash-loop|failed)/);
  t.match(dead, /last error: \w+ \d+s ago: .*rec/);
  t.match(dead, /To mend it\n {2}Restart the plugin "rec" at unix:/);
  rmSync(path.join(daemon.pluginDir, 'rec.sock'));
  const gone = await until(daemon, ['driver', 'why', 'web'], /volume\/rec .*: stopped/);
  t.match(gone, /Start the plugin "rec" at unix:.*goes on by itself/);

  await hung.behave({ 'VolumeDriver.Create': { delay: 1000 } });
  const waiting = daemon.docker(['volume', 'create', '-d', 'hung', 'slow']);
  const hangs = await until(
    daemon,
    ['driver', 'why', 'volume/slow'],
    /not answered: create, sent [1-9]\d*s ago/,
  );
  t.match(hangs, /^volume "slow": no record/);
  t.match(hangs, /operation volume\.create is under way\n {2}key volume\/slow is held/);
  t.match(hangs, /Restart the plugin "hung" if it hangs: it has not answered create yet/);
  await hung.kill('SIGKILL');
  t.not((await waiting).code, 0);
  const cutOff = await until(
    daemon,
    ['driver', 'why', 'volume/slow'],
    /operation volume\.create is open: it was cut off/,
  );
  t.match(cutOff, /Restart the plugin "hung"/);
});

t.test('fsck: a healthy daemon has nothing to mend', async (t) => {
  const daemon = await startTestDaemon(t);
  await plugin(t, daemon, 'rec');
  await daemon.loadBusybox();
  const run = ['run', '-d', '--network', 'none'];
  for (const args of [
    [...run, '--name', 'up', '-v', 'data:/data', '--tmpfs', '/t', 'busybox', 'sleep', '1000'],
    [...run, '--name', 'ended', '--volume-driver', 'rec', '-v', 'far:/far', 'busybox', 'true'],
    [...run, '--rm', '--mount', 'type=image,src=busybox,dst=/i', 'busybox', 'sleep', '1000'],
    ['create', '-v', '/anonymous', 'busybox'],
    ['volume', 'create', '-d', 'rec', 'other'],
    [...run, '--name', 'removed', 'busybox', 'true'],
    ['wait', 'removed'],
    ['rm', 'removed'],
  ]) {
    const { code, stderr } = await daemon.docker(args);
    t.equal(code, 0, stderr);
  }
  t.same(mine((await findings(daemon)).findings), []);
  await daemon.restart();
  t.same(mine((await findings(daemon)).findings), []);
});

t.test('fsck: finds left-overs of every kind and repairs what it may', async (t) => {
  const daemon = await startTestDaemon(t);
  const rec = await plugin(t, daemon, 'rec');
  await daemon.loadBusybox();
  const run = ['run', '-d', '--network', 'none'];
  const stopped = (await daemon.docker(['create', '--name', 'stopped', 'busybox'])).stdout.trim();
  // Before the container, whose start has what ended before it on the disk.
  for (const args of [['lost'], ['-d', 'rec', 'far']]) await daemon.docker(['volume', 'create', ...args]);
  const up = (await daemon.docker([...run, '--name', 'up', 'busybox', 'sleep', '1000'])).stdout.trim();
  const pid = JSON.parse((await daemon.docker(['inspect', up])).stdout)[0].State.Pid as number;

  await daemon.kill();
  process.kill(pid, 'SIGKILL');
  await rec.kill('SIGKILL');
  const plant = new Plant(t, daemon);
  plant.operation('container.start', `container/${stopped}`);
  plant.effect('host-directory', { path: plant.ghostDirectory(), keep: false }, `container/${plant.ghost}`);
  plant.effect('host-directory', { path: '/nowhere/at/all', keep: true }, `container/${stopped}`);
  plant.effect('volume', { driver: 'local', name: 'orphan', options: null }, 'volume/orphan');
  plant.files();
  const cgroup = plant.cgroup();
  const sleeper = plant.sleeper();
  rmSync(path.join(daemon.dataRoot, 'drivers/volume-local/lost'), { recursive: true });
  plant.damageImage();

  await daemon.restart({ env: { GANTRY_NO_REPLAY: '1' } });
  const known = [cgroup, sleeper.id];
  const found = await findings(daemon);
  t.equal(found.code, 1);
  const seen = mine(found.findings, known);
  t.same([...new Set(seen.map(({ kind }) => kind))].sort(), [...FINDING_KINDS].sort(), 'every kind');
  for (const { what, mend } of seen) t.ok(what !== '' && mend !== '', `${what}; mend: ${mend}`);
  const text = await daemon.gantry(['fsck']);
  t.equal(text.code, 1);
  t.match(
    text.stdout,
    /^mount: "[^"]+" is mounted and on no book; mend: "gantry fsck --repair" unmounts it$/m,
  );
  t.match(text.stdout, /on the books: \d+ findings\n$/);

  const repaired = await findings(daemon, '--repair');
  t.equal(repaired.code, 1, 'some need a person');
  t.same(repaired.failed, []);
  const left = new Set(mine(repaired.findings, known).map(({ kind }) => kind));
  const stays = [
    'effect-unwanted',
    'effect-absent',
    'task-ended',
    'image-content',
    'volume-absent',
    'unchecked',
  ];
  t.same([...left].sort(), stays.sort());
  t.match(
    repaired.findings.filter(({ kind }) => kind === 'effect-unwanted'),
    [{ subject: 'volume/planted-2', repairable: false, mend: /docker volume rm orphan/ }],
    'a repair removes no volume',
  );
  for (const name of ['orphan', 'stray']) t.ok(existsSync(plant.volume(name)), name);
  t.match((await daemon.docker(['volume', 'ls', '-q'])).stdout, /^stray$/m);
  t.same(plant.left(), []);
  t.notOk(readFileSync(`/proc/${daemon.pid}/mountinfo`, 'utf8').includes(plant.mountpoint));
  await sleeper.ended;

  // What the daemon settles by itself at its start, and what a person does about the rest.
  await plugin(t, daemon, 'rec');
  await daemon.restart({ env: {} });
  for (const args of [
    ['rm', '-f', 'stopped', 'up'],
    ['volume', 'rm', 'lost'],
    ['rmi', '-f', 'busybox'],
  ]) {
    const { code, stderr } = await daemon.docker(args);
    t.equal(code, 0, stderr);
  }
  t.same(mine((await findings(daemon)).findings), []);
});

/** Left-overs put where a crash, a person or another program could have left them. */
class Plant {
  readonly ghost = hex();
  readonly mountpoint: string;
  readonly #t: Teardown;
  readonly #daemon: TestDaemon;
  readonly #paths: string[] = [];
  #count = 0;

  constructor(t: Teardown, daemon: TestDaemon) {
    this.#t = t;
    this.#daemon = daemon;
    this.mountpoint = path.join(daemon.execRoot, 'containers', hex(), 'rootfs');
  }

  operation(name: string, object: string): void {
    const body = JSON.stringify({ boot: bootId(), makes: [], releases: [] });
    this.#sql('INSERT INTO operations VALUES (?, ?, ?, ?)', 1_000_000, name, object, body);
  }

  effect(kind: string, args: object, owner: string): void {
    const body = JSON.stringify({ kind, args });
    const key = `${kind}/planted-${this.#count++}`;
    this.#sql('INSERT INTO effects VALUES (?, ?, ?, ?, ?)', key, owner, null, null, body);
  }

  ghostDirectory(): string {
    return this.#directory('data/containers', this.ghost);
  }

  files(): void {
    this.#directory('data/containers', hex());
    mkdirSync(this.mountpoint, { recursive: true });
    this.#paths.push(path.dirname(this.mountpoint));
    mount('none', this.mountpoint, 'tmpfs', 0, null);
    this.#directory('run/drivers/runtime-crun/tasks', hex());
    const snapshot = this.#directory('data/drivers/snapshot-overlay/snapshots', hex());
    writeFileSync(path.join(snapshot, 'meta.json'), '{"layers":[],"volatile":false,"readOnly":false}');
    this.#directory('data/drivers/snapshot-overlay/layers', hex());
    const blob = path.join(this.#daemon.dataRoot, 'content/blobs/sha256', hex());
    writeFileSync(blob, 'nobody');
    this.#paths.push(blob);
    for (const name of ['stray', 'orphan']) mkdirSync(this.volume(name), { recursive: true });
  }

  volume(name: string): string {
    return path.join(this.#daemon.dataRoot, 'drivers/volume-local', name);
  }

  damageImage(): void {
    const blobs = path.join(this.#daemon.dataRoot, 'content/blobs/sha256');
    const used = readdirSync(blobs).filter((name) => !this.#paths.includes(path.join(blobs, name)));
    rmSync(path.join(blobs, used[0] ?? ''));
  }

  /** An empty one. */
  cgroup(): string {
    return this.#cgroup(hex());
  }

  /** A process in a cgroup of its own, working in the daemon's directory as a conmon does. */
  sleeper(): { readonly id: string; readonly ended: Promise<unknown> } {
    const id = this.#cgroup(hex());
    const child: ChildProcess = spawn('sleep', ['1000'], {
      cwd: path.join(this.#daemon.execRoot, 'drivers'),
    });
    this.#t.teardown(async () => void child.kill('SIGKILL'));
    writeFileSync(path.join(cgroupParent(), id, 'cgroup.procs'), String(child.pid));
    return { id, ended: once(child, 'exit') };
  }

  /** What is still there of all that a repair removes. */
  left(): readonly string[] {
    return this.#paths.filter((one) => existsSync(one));
  }

  #cgroup(id: string): string {
    const dir = path.join(cgroupParent(), id);
    mkdirSync(dir, { recursive: true });
    this.#paths.push(dir);
    this.#t.teardown(async () => {
      if (existsSync(dir)) rmdirSync(dir);
    });
    return id;
  }

  #directory(parent: string, name: string): string {
    const [root = '', ...rest] = parent.split('/');
    const base = root === 'data' ? this.#daemon.dataRoot : this.#daemon.execRoot;
    const dir = path.join(base, ...rest, name);
    mkdirSync(dir, { recursive: true });
    this.#paths.push(dir);
    return dir;
  }

  #sql(statement: string, ...values: readonly (string | number | null)[]): void {
    const db = new DatabaseSync(path.join(this.#daemon.dataRoot, 'store/gantry.db'));
    try {
      db.prepare(statement).run(...values);
    } finally {
      db.close();
    }
  }
}

function cgroupParent(): string {
  return path.join('/sys/fs/cgroup', isUnifiedCgroup() ? '' : 'pids', 'gantry');
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

function hex(): string {
  return randomBytes(32).toString('hex');
}
