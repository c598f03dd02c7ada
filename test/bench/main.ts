/**
 * `npm run bench`: Gantry against the distribution's Docker Engine, both in turn in one run. Prints a table of ratios and
 * writes docs/performance.md with `--write`. Ends with status 1 when a limit is missed, and says which.
 */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { makeBusyboxArchive } from '../fixtures/make-busybox-image.ts';
import { afterRunsNote, checkAfterRuns } from './after-runs.ts';
import { startGantry } from './gantry.ts';
import { alternate, judge, median, timed, type Verdict } from './measure.ts';
import { dockerIsInstalled, type EngineUnderTest, startDocker } from './peer.ts';
import { report } from './report.ts';
import { zooCases } from './zoo.ts';

const exec = promisify(execFile);
const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    only: { type: 'string', multiple: true },
    write: { type: 'boolean', default: false },
  },
});
const ROUNDS = Number(flags.rounds);
const NODE = process.execPath;
/** Those that need engines full of containers and volumes. */
const LS = 'volume ls, 1,000 volumes';
const PS = 'ps -a, 200 containers';
const READY = 'ready, 100 containers (20 running), 1,000 volumes';
const wants = (name: string) => !flags.only || flags.only.some((word) => name.includes(word));

const root = mkdtempSync('/var/tmp/gantry-bench-');
const verdicts: Verdict[] = [];
const notes: string[] = [];
const closers: (() => Promise<unknown>)[] = [];

function docker({ socket }: EngineUnderTest, ...args: string[]) {
  return exec('docker', ['-H', `unix://${socket}`, ...args], { maxBuffer: 1 << 26 });
}

function note(verdict: Verdict): void {
  verdicts.push(verdict);
  const { name, met, ratio, limit, unit, gantry, docker } = verdict;
  const sides =
    docker.length > 0 ? `, ${median(gantry).toFixed(2)} / ${median(docker).toFixed(2)} ${unit}` : ' ms';
  console.log(`${met ? 'met   ' : 'MISSED'} ${name}: ${ratio.toFixed(3)} (limit ${limit})${sides}`);
}

async function compare(
  name: string,
  { limit, unit = 'ms', rounds = ROUNDS }: { limit: number; unit?: string; rounds?: number },
  engines: readonly [EngineUnderTest, EngineUnderTest],
  work: (engine: EngineUnderTest) => Promise<number>,
): Promise<void> {
  if (!wants(name)) return;
  const [gantry, peer] = engines;
  const taken = await alternate(
    rounds,
    () => work(gantry),
    () => work(peer),
  );
  note(judge({ name, limit, unit, ...taken }));
}

async function runOnce(engine: EngineUnderTest, ...args: string[]): Promise<number> {
  return timed(() => docker(engine, 'run', '--rm', '--network', 'none', ...args, 'busybox', 'true'));
}

async function startPlugin(engine: EngineUnderTest): Promise<void> {
  const socket = path.join(engine.pluginDir, 'bench.sock');
  const child = spawn(NODE, [path.resolve(import.meta.dirname, 'volume-plugin.ts'), socket], {
    stdio: 'ignore',
  });
  closers.push(async () => child.kill());
  while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function volumePairs(
  engine: EngineUnderTest,
  driver: string,
  clients: number,
  pairs: number,
): Promise<number> {
  const client = path.resolve(import.meta.dirname, 'client.ts');
  const { stdout } = await exec(NODE, [client, engine.socket, driver, String(clients), String(pairs)]);
  return Number(stdout);
}

/** Resident memory of the processes, in MiB; each is one program, so that little of it is shared. */
function memoryMiB(pids: readonly number[]): number {
  const resident = (pid: number) =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  return pids.reduce((sum, pid) => sum + resident(pid), 0) / 1024;
}

async function main(): Promise<void> {
  if (!dockerIsInstalled())
    throw new Error('bench: no Docker Engine to compare with: apt-get install docker.io');
  const gantryRoot = path.join(root, 'gantry');
  const dockerRoot = path.join(root, 'docker');
  for (const dir of [gantryRoot, dockerRoot]) spawnSync('mkdir', ['-p', dir]);
  const gantry = await startGantry(gantryRoot, ['--default-runtime', 'crun']);
  closers.push(async () => {
    // Containers outlive the daemon, so they have to go first.
    const { stdout } = await docker(gantry, 'ps', '-aq');
    const ids = stdout.split('\n').filter(Boolean);
    if (ids.length > 0) await docker(gantry, 'rm', '-f', ...ids);
    await gantry.stop();
  });
  const peer = await startDocker(dockerRoot);
  closers.push(async () => {
    const { stdout } = await docker(peer, 'ps', '-q');
    const ids = stdout.split('\n').filter(Boolean);
    if (ids.length > 0) await docker(peer, 'rm', '-f', ...ids);
    await peer.stop();
  });
  const both = [gantry, peer] as const;
  const archive = path.join(root, 'busybox.tar');
  await makeBusyboxArchive(archive, { tag: 'busybox:latest', format: 'docker' });
  for (const engine of both) await docker(engine, 'load', '-i', archive);

  await compare('docker run --rm --network none, crun', { limit: 0.28 }, both, (engine) => runOnce(engine));
  await compare('docker run --rm --network none, runc', { limit: 0.4 }, both, (engine) =>
    engine === gantry ? runOnce(engine, '--runtime', 'runc') : runOnce(engine),
  );
  for (const [engine, engineRoot] of [
    [gantry, gantryRoot],
    [peer, dockerRoot],
  ] as const)
    await checkAfterRuns(engine, engineRoot, docker);

  notes.push(afterRunsNote);

  for (const engine of both) await startPlugin(engine);
  await compare('plugin volume create + rm, 32 clients', { limit: 0.6 }, both, (e) =>
    volumePairs(e, 'bench', 32, 30),
  );
  await compare('plugin volume create + rm, 1 client', { limit: 0.9 }, both, (e) =>
    volumePairs(e, 'bench', 1, 150),
  );
  await compare('local volume create + rm, 1 client', { limit: 0.6 }, both, (e) =>
    volumePairs(e, 'local', 1, 150),
  );
  await compare('local volume create + rm, 32 clients', { limit: 0.6 }, both, (e) =>
    volumePairs(e, 'local', 32, 30),
  );

  if (wants('memory')) {
    for (const engine of both) for (let run = 0; run < 100; run += 1) await runOnce(engine);
  }
  await compare('memory after 100 runs', { limit: 0.8, unit: 'MiB', rounds: 5 }, both, async (e) =>
    memoryMiB(e.pids()),
  );

  if ([LS, PS, READY].some(wants)) await fill(both);
  await compare(LS, { limit: 1 }, both, (e) => timed(() => docker(e, 'volume', 'ls', '-q')));
  await compare(PS, { limit: 1 }, both, (e) => timed(() => docker(e, 'ps', '-aq')));
  if (wants(READY)) await prepareReady(both);
  await compare(READY, { limit: 0.5, rounds: 7 }, both, restartTime);
  if (wants('own start')) await ownStart();
  if (wants('bad plugins')) await zooCases(path.join(root, 'zoo'), note);
}

async function fill(both: readonly EngineUnderTest[]): Promise<void> {
  for (const engine of both) {
    for (let at = 0; at < 1000; at += 100) {
      const names = Array.from({ length: 100 }, (_, index) => `full-${at + index}`);
      await Promise.all(
        names
          .slice(0, 100)
          .map((name) => docker(engine, 'volume', 'create', name))
          .slice(0, 100),
      );
    }
    for (let at = 0; at < 200; at += 10) {
      await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          docker(
            engine,
            'create',
            '--network',
            'none',
            '--name',
            `full-${at + index}`,
            'busybox',
            'sleep',
            '100000',
          ),
        ),
      );
    }
  }
}

async function prepareReady(both: readonly EngineUnderTest[]): Promise<void> {
  for (const engine of both) {
    const names = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, index) => `full-${from + index}`);
    await docker(engine, 'rm', ...names(100, 200));
    await docker(engine, 'start', ...names(0, 20));
  }
}

/** From the start of the process to the first answer, with the containers still running: both engines keep them. */
async function restartTime(engine: EngineUnderTest): Promise<number> {
  await engine.stop();
  return timed(() => engine.start());
}

async function ownStart(): Promise<void> {
  const empty: number[] = [];
  for (let round = 0; round < 7; round += 1) {
    const at = path.join(root, `empty-${round}`);
    spawnSync('mkdir', ['-p', at]);
    let engine: EngineUnderTest | undefined;
    empty.push(await timed(async () => (engine = await startGantry(at))));
    await engine?.stop();
  }
  const version: number[] = [];
  const gantryCommand = path.resolve(import.meta.dirname, '../../core/bin/gantry');
  for (let round = 0; round < 15; round += 1)
    version.push(await timed(() => exec(gantryCommand, ['--version'])));
  for (const [name, values, limit] of [
    ['gantryd ready, empty', empty, 250],
    ['gantry --version', version, 60],
  ] as const) {
    const value = median(values);
    note({
      name,
      limit,
      unit: 'ms (absolute)',
      gantry: values,
      docker: [],
      ratio: value,
      met: value <= limit,
    });
  }
}

try {
  await main();
  if (flags.write)
    writeFileSync(path.resolve(import.meta.dirname, '../../docs/performance.md'), report(verdicts, notes));
} finally {
  for (const close of closers.reverse()) await close().catch((error: unknown) => console.error(error));
  spawnSync('sh', [
    '-c',
    `grep ' ${root}' /proc/self/mountinfo | awk '{print $5}' | sort -r | xargs -r -n1 umount -l`,
  ]);
  rmSync(root, { recursive: true, force: true });
}
const missed = verdicts.filter(({ met }) => !met);
for (const note of notes) console.log(note);
console.log(`${verdicts.length - missed.length} met, ${missed.length} missed`);
process.exitCode = missed.length > 0 ? 1 : 0;
