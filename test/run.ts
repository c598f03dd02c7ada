/**
 * Runs the tests and counts them. Test files run on the pinned Node by themselves, two at a time, and speak TAP. Each has a
 * directory for temporary files of its own, by which what it left behind is known. The last line reads
 * `N passed, N failed, N skipped`.
 */
import { spawn } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Parser } from 'tap-parser';
import { clearLeft, leftIn, leftOnMachine } from './left-on-machine.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '--trace-warnings'];
const FILE_LIMIT_MS = 300_000;
const LEAVING_MS = 5_000;

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * So many integration files that failed may be tried again, alone: a machine that stood still for a second fails one now
 * and then, and daemons share a cgroup, in which one's fsck meets what another's test has just left. More is no accident.
 * Which ones they were, and how they failed, is printed.
 */
const SECOND_TRIES = 8;

/** Short, since sockets below it have paths of at most 107 bytes. */
const runDir = mkdtempSync(path.join(tmpdir(), 'gt-'));
let dirs = 0;

const total: Counts = { passed: 0, failed: 0, skipped: 0 };
const skips: string[] = [];

/** Each part: a name, and what it runs. Commands count as one test each. */
const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  lint: async () => {
    await command('format and lint', 'biome', ['ci', '--error-on-warnings', '--colors=off', '.']);
    await command('types', 'tsc', ['--noEmit']);
  },
  unit: () => files('test/unit/**/*.test.ts', 2, 0),
  build: () => command('build', 'node', ['core/build.ts']),
  integration: () => files('test/integration/**/*.test.ts', 2),
  crash: () => command('crash sweep', 'sh', ['test/crash/run.sh', '--seconds', '60']),
};

interface FileResult {
  readonly counts: Counts;
  /** What to print of it. */
  readonly report: string;
  readonly skips: readonly string[];
}

async function files(pattern: string, jobs: number, secondTries = SECOND_TRIES): Promise<void> {
  const waiting = globSync(pattern, { cwd: ROOT }).sort();
  const failed: [string, FileResult][] = [];
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const result = await runFile(file);
      console.log(result.report);
      if (result.counts.failed > 0) failed.push([file, result]);
      else accept(result);
    }
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  for (const [file, first] of failed) {
    if (failed.length > secondTries) accept(first);
    else {
      const second = await runFile(file);
      console.log(`SECOND TRY, alone, of a file that failed above:\n${second.report}`);
      accept(second);
    }
  }
}

function accept(result: FileResult): void {
  add(result.counts);
  skips.push(...result.skips);
}

async function runFile(file: string): Promise<FileResult> {
  const begun = performance.now();
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  const skipped: string[] = [];
  const parser = new Parser();
  watch(parser, counts, (skip) => skipped.push(`${file}: ${skip}`));
  const dir = path.join(runDir, String(dirs++));
  mkdirSync(dir);
  const child = spawn(process.execPath, [...NODE_FLAGS, file], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    // tap's own limit for a file is 30 s, which a busy machine reaches; ours is above.
    env: { ...process.env, TMPDIR: dir, TAP_TIMEOUT: String(FILE_LIMIT_MS / 1000) },
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), FILE_LIMIT_MS);
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk;
    parser.write(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk));
  const { promise, resolve } = Promise.withResolvers<number>();
  child.once('exit', (code, signal) => {
    // What it left may hold its output open.
    if (signal) clearLeft(dir);
    resolve(code ?? 1);
  });
  const closed = new Promise((done) => child.once('close', done));
  const code = await promise;
  clearTimeout(timer);
  const left = await leftAfterAWhile(dir);
  clearLeft(dir);
  await closed;
  parser.end();
  if (code !== 0 && counts.failed === 0) counts.failed += 1;
  if (counts.passed + counts.skipped === 0) counts.failed += 1;
  // A deprecated call or a leaking listener is a fault of ours.
  if (/\(node:\d+\) \S*Warning/.test(errors)) counts.failed += 1;
  counts.failed += left.length;
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  const { passed, failed } = counts;
  const numbers = `${passed} passed, ${failed} failed, ${counts.skipped} skipped, ${seconds} s`;
  const faults = [
    ...left.map((what) => `LEFT BEHIND ${what}`),
    ...(failed > 0 ? [failuresIn(output), errors.slice(-4000)] : []),
  ];
  const report = [`${failed > 0 ? 'FAILED' : 'ok    '} ${file} (${numbers})`, ...faults].join('\n');
  return { counts, report, skips: skipped };
}

/** What a daemon was told to stop may still be about it. */
async function leftAfterAWhile(dir: string): Promise<readonly string[]> {
  const until = Date.now() + LEAVING_MS;
  for (;;) {
    const left = leftIn(dir);
    if (left.length === 0 || Date.now() > until) return left;
    await delay(50);
  }
}

/** Counts the leaves: a test that holds others is not counted itself. */
function watch(parser: Parser, counts: Counts, onSkip: (skip: string) => void): void {
  let children = 0;
  parser.on('child', (child: Parser) => {
    children += 1;
    watch(child, counts, onSkip);
  });
  parser.on('assert', (result) => {
    const isParent = children > 0 && !result.skip && result.ok && result.name !== undefined && children-- > 0;
    if (result.skip || result.todo) {
      counts.skipped += 1;
      onSkip(`${result.name} (${String(result.skip || result.todo)})`);
    } else if (!result.ok) counts.failed += 1;
    else if (!isParent) counts.passed += 1;
  });
}

/** The parts of the TAP that say what failed. */
function failuresIn(tap: string): string {
  const lines = tap.split('\n');
  const shown = new Set<number>();
  for (const [index, line] of lines.entries()) {
    if (!/^\s*not ok /.test(line)) continue;
    for (let at = index; at < Math.min(index + 40, lines.length); at += 1) {
      if (at > index && /^\s*(not )?ok /.test(lines[at] ?? '')) break;
      shown.add(at);
    }
  }
  return [...shown]
    .sort((a, b) => a - b)
    .map((index) => lines[index])
    .join('\n')
    .slice(0, 8000);
}

async function command(name: string, program: string, args: readonly string[]): Promise<void> {
  const begun = performance.now();
  const dir = path.join(runDir, String(dirs++));
  mkdirSync(dir);
  const env = { ...process.env, TMPDIR: dir };
  const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], env });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk));
  const { promise, resolve } = Promise.withResolvers<number>();
  child.once('error', () => resolve(127));
  child.once('close', (code) => resolve(code ?? 1));
  const ok = (await promise) === 0;
  add(ok ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 });
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  const last = output.trim().split('\n').at(-1) ?? '';
  console.log(
    `${ok ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)${ok && name.includes('sweep') ? `: ${last}` : ''}`,
  );
  if (!ok) console.log(output.slice(-8000));
}

function add({ passed, failed, skipped }: Counts): void {
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((part) => !(part in PARTS));
if (unknown.length > 0) {
  console.error(`unknown part: ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}`);
  process.exit(2);
}
const before = new Set(leftOnMachine());
process.once('exit', () => rmSync(runDir, { recursive: true, force: true }));
for (const [name, run] of Object.entries(PARTS)) {
  if (wanted.length === 0 || wanted.includes(name)) await run();
}
const left = [...(await leftAfterAWhile(runDir)), ...leftOnMachine().filter((what) => !before.has(what))];
clearLeft(runDir);
for (const what of left) console.log(`LEFT BEHIND ${what}`);
total.failed += left.length;
for (const skip of skips) console.log(`skipped ${skip}`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;
