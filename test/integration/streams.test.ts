/**
 * Streams arrive byte for byte: stdin and stdout, attached, by exec, and by logs, also over a death of the daemon; and
 * a client that does not read holds the process up, and not the daemon's memory. Needs root.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { startTestDaemon } from '../fixtures/daemon.ts';
import { attach, makeExec, startExec } from './exec/client.ts';

const MIB = 1024 * 1024;
/** Of output; and of input. */
const OUTPUT_BYTES = 200 * MIB;
const INPUT_BYTES = 3 * MIB;

t.setTimeout(240_000);
const daemon = await startTestDaemon(t);
await daemon.loadBusybox();

/** One MiB of lines that cannot be guessed, again and again, so that every byte's place tells. */
const block = Buffer.from(
  randomBytes((MIB * 3) / 4 - 12_288)
    .toString('base64')
    .replace(/(.{127})/g, '$1\n'),
);
writeFileSync(join(daemon.dir, 'block'), block);
const BLOCKS = Math.ceil(OUTPUT_BYTES / block.length);
/** For what reads slowly. */
const FEW = 40;
const expected = digestOfBlocks(BLOCKS);
const write = (blocks: number) => `n=0; while [ $n -lt ${blocks} ]; do cat /block; n=$((n+1)); done`;
const WRITE = write(BLOCKS);
const VOLUME = ['-v', `${daemon.dir}/block:/block:ro`];

function digestOfBlocks(count: number): string {
  return digestOf((add) => {
    for (let at = 0; at < count; at++) add(block);
  });
}

function digestOf(feed: (add: (bytes: Buffer) => void) => void): string {
  const hash = createHash('sha256');
  feed((bytes) => hash.update(bytes));
  return hash.digest('hex');
}

async function digestOfStream(stream: Readable): Promise<{ digest: string; bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { digest: hash.digest('hex'), bytes };
}

function docker(args: readonly string[]): ChildProcess & { stdout: Readable } {
  const child = spawn('docker', ['-H', daemon.host, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.on('error', () => {});
  return child;
}

function memoryOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const said = new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(said) / 1024;
}

t.test('3 MB through stdin and back, attached and by exec', async (t) => {
  const input = randomBytes(INPUT_BYTES);
  const digest = digestOf((add) => add(input));
  const run = docker(['run', '--rm', '-i', '--network', 'none', 'busybox', 'cat']);
  run.stdin?.end(input);
  t.same(await digestOfStream(run.stdout), { digest, bytes: INPUT_BYTES }, 'run -i');

  await daemon.docker([
    'run',
    '-d',
    '--network',
    'none',
    '--name',
    'box',
    ...VOLUME,
    'busybox',
    'sleep',
    '10000',
  ]);
  const exec = docker(['exec', '-i', 'box', 'cat']);
  exec.stdin?.end(input);
  t.same(await digestOfStream(exec.stdout), { digest, bytes: INPUT_BYTES }, 'exec -i');
  const counted = docker(['exec', '-i', 'box', 'sha256sum']);
  counted.stdin?.end(input);
  let said = '';
  for await (const chunk of counted.stdout) said += chunk;
  t.equal(said.slice(0, 64), digest, 'what the process reads');
});

t.test('200 MB through stdout, attached and by exec, while the daemon stays small', async (t) => {
  await delay(200); // what came before has gone
  writeFileSync(`/proc/${daemon.pid}/clear_refs`, '5'); // the peak counts from here
  const before = memoryOf(daemon.pid, 'VmRSS');
  const run = docker([
    'run',
    '--rm',
    '--network',
    'none',
    '--log-driver',
    'none',
    ...VOLUME,
    'busybox',
    'sh',
    '-c',
    WRITE,
  ]);
  t.match(await digestOfStream(run.stdout), { digest: expected }, 'run');
  const exec = docker(['exec', 'box', 'sh', '-c', WRITE]);
  t.match(await digestOfStream(exec.stdout), { digest: expected }, 'exec');
  const grown = memoryOf(daemon.pid, 'VmHWM') - before;
  t.ok(grown < 40, `${grown.toFixed(1)} MiB at the highest`);
});

t.test('a client that does not read holds the process up', async (t) => {
  writeFileSync(`/proc/${daemon.pid}/clear_refs`, '5');
  const before = memoryOf(daemon.pid, 'VmRSS');
  const exec = await makeExec(daemon, 'box', { Cmd: ['sh', '-c', write(FEW)], AttachStdout: true });
  const { socket, output } = await startExec(daemon, exec);
  socket.pause();
  await delay(1_000);
  const grown = memoryOf(daemon.pid, 'VmHWM') - before;
  t.ok(grown < 40, `${grown.toFixed(1)} MiB`);
  socket.resume();
  const { stdout } = await output;
  t.equal(
    digestOf((add) => add(stdout)),
    digestOfBlocks(FEW),
    'and loses nothing by it',
  );
});

t.test('two clients of one container, one fast and one slow, both get all', async (t) => {
  const { stdout: id } = await daemon.docker([
    ...['create', '--network', 'none', '--log-driver', 'none', ...VOLUME, 'busybox'],
    ...['sh', '-c', write(FEW)],
  ]);
  const clients = await Promise.all([1, 2].map(() => attach(daemon, id.trim(), 'stream=1&stdout=1')));
  clients[1]?.socket.pause();
  await daemon.docker(['start', id.trim()]);
  await delay(500);
  clients[1]?.socket.resume();
  const wanted = digestOfBlocks(FEW);
  for (const { output } of clients) t.equal(await digestOfOutput(output), wanted);
});

async function digestOfOutput(output: Promise<{ stdout: Buffer }>): Promise<string> {
  const { stdout } = await output;
  return digestOf((add) => add(stdout));
}

t.test('200 MB by logs: after the end, while it grows, and over a death of the daemon', async (t) => {
  const run = ['run', '-d', '--network', 'none', ...VOLUME];
  const { code, stderr } = await daemon.docker([
    ...run,
    ...['--name', 'writer', 'busybox', 'sh', '-c', `sleep 0.3; ${WRITE}`],
  ]);
  t.equal(code, 0, stderr);
  const cut = docker(['logs', '-f', 'writer']);
  const [first] = (await once(cut.stdout, 'data')) as [Buffer];
  t.ok(first.length > 0);
  const seen = digestOfStream(cut.stdout).catch(() => undefined);
  await daemon.kill();
  await seen;
  await daemon.restart();
  const before = memoryOf(daemon.pid, 'VmRSS');
  const follower = docker(['logs', '-f', 'writer']);
  const [followed, { stdout }] = await Promise.all([
    digestOfStream(follower.stdout),
    daemon.docker(['wait', 'writer']),
  ]);
  t.equal(stdout.trim(), '0', 'the container has gone on');
  t.equal(followed.digest, expected, 'logs -f, begun half way');
  const whole = await digestOfStream(docker(['logs', 'writer']).stdout);
  t.equal(whole.digest, expected, 'logs');
  const grown = memoryOf(daemon.pid, 'VmHWM') - before;
  t.ok(grown < 80, `${grown.toFixed(1)} MiB at the highest`);
});
