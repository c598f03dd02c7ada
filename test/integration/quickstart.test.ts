/** `npm run quickstart`, by each of its clients and interrupted in the middle: it tells the whole story and tidies up. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { mounts } from '@gantry/plugin-sdk/system/mount.ts';
import t from 'tap';

const SCRIPT = resolve(import.meta.dirname, '../quickstart/run.sh');
const isRoot = process.getuid?.() === 0;
const hasDocker = spawnSync('docker', ['--version']).status === 0;

interface Quickstart {
  /** Its directory for temporary files, and nobody else's. */
  readonly tmp: string;
  readonly child: ChildProcess;
  /** All it wrote so far. */
  readonly output: () => string;
  readonly ended: Promise<unknown>;
}

function quickstart(t: { teardown(fn: () => Promise<void>): unknown }, args: readonly string[]): Quickstart {
  const tmp = mkdtempSync(join(tmpdir(), 'quickstart-'));
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawn('sh', [SCRIPT, ...args], {
    env: { ...env, TMPDIR: tmp },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const ended = once(child, 'close');
  t.teardown(async () => {
    child.kill();
    await ended;
    rmSync(tmp, { recursive: true, force: true });
  });
  return { tmp, child, output: () => output, ended };
}

/** What still is there of a quickstart that has ended. */
function leftOf({ tmp }: Quickstart): readonly string[] {
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => commandLine(pid).includes(`${tmp}/`))
    .map((pid) => `process ${pid}: ${commandLine(pid)}`);
  const mounted = mounts().map(({ target }) => target);
  return [...processes, ...mounted.filter((target) => target.startsWith(tmp)), ...readdirSync(tmp)];
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

for (const client of ['docker', 'dockerode']) {
  const skip = !isRoot ? 'needs root' : client === 'docker' && !hasDocker ? 'no docker command' : false;
  t.test(`tells the whole story by ${client}`, { skip }, async (t) => {
    const run = quickstart(t, ['--client', client]);
    await run.ended;
    t.equal(run.child.exitCode, 0, run.output());
    const words = [
      /volume create -d sample notes\n +notes\n/,
      /kill -9 \d+/,
      /Up .*ticker/,
      /kept by a plugin/,
      /volume +sample +docker-http +ready/,
      /Done in/,
    ];
    for (const word of words) t.match(run.output(), word);
    t.notMatch(run.output(), '\x1b', 'no colour into a pipe');
    t.same(leftOf(run), []);
  });
}

t.test(
  'interrupted while a container runs and the daemon is dead',
  { skip: !isRoot && 'needs root' },
  async (t) => {
    const run = quickstart(t, []);
    run.child.stdout?.on('data', (chunk) => String(chunk).includes('kill -9') && run.child.kill('SIGINT'));
    await run.ended;
    t.equal(run.child.exitCode, 130, run.output());
    t.notMatch(run.output(), 'Done in');
    t.same(leftOf(run), []);
  },
);

t.test('refuses a client that it does not know', { skip: !isRoot && 'needs root' }, async (t) => {
  const run = quickstart(t, ['--client', 'podman']);
  await run.ended;
  t.equal(run.child.exitCode, 1);
  t.match(run.output(), 'quickstart: --client can be docker or dockerode, not "podman"');
});
