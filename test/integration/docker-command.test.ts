/** The docker command as people use it, each version that this machine has, against one daemon each. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bind, mount, setPropagation, unmountAll } from '@gantry/plugin-sdk/system/mount.ts';
import t, { type Test } from 'tap';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';
import { busyboxEntries, makeBusyboxArchive } from '../fixtures/make-busybox-image.ts';
import { tar } from '../fixtures/tar.ts';
import { type Case, type Expected, GROUPS } from './docker-command/cases.ts';

interface Docker {
  readonly program: string;
  readonly version: string;
}

t.jobs = 2;
t.setTimeout(120_000);
for (const docker of installed()) {
  t.test(`docker ${docker.version}`, { buffered: true }, (t) => runAll(t, docker));
}

/** One program of each version. */
function installed(): readonly Docker[] {
  const byVersion = new Map<string, Docker>();
  for (const program of execFileSync('which', ['-a', 'docker'], { encoding: 'utf8' }).trim().split('\n')) {
    const version =
      /version ([^,+]+)/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))?.[1] ?? '';
    if (!byVersion.has(version)) byVersion.set(version, { program, version });
  }
  return [...byVersion.values()];
}

async function runAll(t: Test, docker: Docker): Promise<void> {
  const dir = await workingDirectory(t, docker.program);
  const daemon = await startTestDaemon(t);
  for (const [name, cases] of Object.entries(GROUPS)) {
    await t.test(name, async (t) => {
      for (const one of cases) await runCase(t, daemon, dir, Number.parseInt(docker.version, 10), one);
    });
  }
  await t.test('a beginning that several ids have', (t) => ambiguous(t, daemon, dir));
}

/** Made before the daemon, so that its mount namespace, a copy, has the shared mount too. */
async function workingDirectory(t: Test, program: string): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-docker-'));
  const shared = join(dir, 'shared');
  t.teardown(async () => {
    await unmountAll(join(shared, 'below'));
    await unmountAll(shared);
    rmSync(dir, { recursive: true, force: true });
  });
  for (const path of ['bin', 'config', 'shared', 'deep']) mkdirSync(join(dir, path));
  symlinkSync(program, join(dir, 'bin/docker'));
  writeFileSync(join(dir, 'deep/deep'), '');
  mount('tmpfs', shared, 'tmpfs', 0, 'size=1m');
  setPropagation(shared, 'shared');
  mkdirSync(join(shared, 'below'));
  bind(join(dir, 'deep'), join(shared, 'below'));
  makeBusyboxArchive(join(dir, 'busybox.tar'), { tag: 'busybox:latest' });
  const data = [
    { name: 'data/', kind: 'directory', mode: 0o755 },
    { name: 'data/file', content: 'data' },
  ] as const;
  makeBusyboxArchive(join(dir, 'withdata.tar'), { tag: 'withdata:1', extraLayers: [data] });
  writeFileSync(join(dir, 'rootfs.tar'), tar(busyboxEntries()));
  return dir;
}

async function runCase(
  t: Test,
  daemon: TestDaemon,
  dir: string,
  major: number,
  [command, what]: Case,
): Promise<void> {
  const expected: Expected = typeof what === 'string' || what instanceof RegExp ? { out: what } : what;
  const { since = 0 } = expected;
  if (since < 0 ? major > -since : major < since) return;
  const { code, out, err } = await shell(command, daemon, dir);
  const fits =
    code === (expected.code ?? 0) && matches(out, expected.out) && matches(withoutNotes(err), expected.err);
  t.ok(fits, `$ ${command}`, {
    code,
    out: out.slice(0, 2000),
    err,
    expected: String(JSON.stringify(what, (_, value) => (value instanceof RegExp ? String(value) : value))),
  });
}

function matches(text: string, expected: string | RegExp | undefined): boolean {
  if (expected === undefined) return true;
  return typeof expected === 'string' ? text.trim() === expected : expected.test(text.trim());
}

/** What the docker command adds by itself. */
function withoutNotes(text: string): string {
  return text.replace(/\n*(Run|See) 'docker run --help'.*\n*/g, '');
}

function shell(
  command: string,
  daemon: TestDaemon,
  cwd: string,
): Promise<{ code: number; out: string; err: string }> {
  const env = {
    PATH: `${join(cwd, 'bin')}:${process.env.PATH}`,
    DOCKER_HOST: daemon.host,
    DOCKER_CONFIG: join(cwd, 'config'),
    HOME: cwd,
  };
  const child = spawn('sh', ['-c', command], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.err += text;
  });
  return new Promise((ended, failed) => {
    child.once('error', failed);
    child.once('close', (code) => ended({ ...said, code: code ?? 128 }));
  });
}

/** Of seventeen ids two begin alike. */
async function ambiguous(t: Test, daemon: TestDaemon, dir: string): Promise<void> {
  await daemon.loadBusybox();
  const make = () => daemon.api('POST', '/containers/create', { Image: 'busybox' });
  const made = await Promise.all(Array.from({ length: 17 }, make));
  const ids = made.map(({ body }) => (body as { Id: string }).Id);
  const first = ids.map((id) => id.slice(0, 1)).find((start, at, all) => all.indexOf(start) !== at) ?? '';
  const failed = await shell(`docker start ${first}`, daemon, dir);
  t.match(failed, { code: 1, err: new RegExp(`multiple IDs found with provided prefix: ${first}`) });
  const [id = ''] = ids;
  t.match(await shell(`docker inspect ${id.slice(0, 12)} --format '{{.Id}}'`, daemon, dir), {
    out: `${id}\n`,
  });
}
