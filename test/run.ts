/**
 * Runs the tests and counts them. Test files run on the pinned Node by themselves, two at a time, and speak TAP; what
 * each left behind on the machine is looked for at the end. The last line reads `N passed, N failed, N skipped`.
 */
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import path from 'node:path';
import { Parser } from 'tap-parser';
import { leftOnMachine } from './left-on-machine.ts';

const ROOT = path.resolve(import.meta.dirname, '..');
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '--trace-warnings'];
const FILE_LIMIT_MS = 300_000;

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const total: Counts = { passed: 0, failed: 0, skipped: 0 };
const skips: string[] = [];

/** Each part: a name, and what it runs. Commands count as one test each. */
const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  lint: async () => {
    await command('format and lint', 'biome', ['ci', '--error-on-warnings', '--colors=off', '.']);
    await command('types', 'tsc', ['--noEmit']);
  },
  unit: () => files('test/unit/**/*.test.ts', 2),
  build: () => command('build', 'node', ['core/build.ts']),
  integration: () => files('test/integration/**/*.test.ts', 2),
  crash: () => command('crash sweep', 'sh', ['test/crash/run.sh', '--seconds', '60']),
};

async function files(pattern: string, jobs: number): Promise<void> {
  const waiting = globSync(pattern, { cwd: ROOT }).sort();
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) await runFile(file);
  };
  await Promise.all(Array.from({ length: jobs }, worker));
}

async function runFile(file: string): Promise<void> {
  const begun = performance.now();
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  const parser = new Parser();
  watch(parser, file, counts);
  const child = spawn(process.execPath, [...NODE_FLAGS, file], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
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
  child.once('close', (code, signal) => resolve(code ?? (signal ? 1 : 0)));
  const code = await promise;
  clearTimeout(timer);
  parser.end();
  if (code !== 0 && counts.failed === 0) counts.failed += 1;
  if (counts.passed + counts.skipped === 0) counts.failed += 1;
  // A deprecated call or a leaking listener is a fault of ours.
  if (/\(node:\d+\) \S*Warning/.test(errors)) counts.failed += 1;
  add(counts);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  const { passed, failed, skipped } = counts;
  console.log(
    `${failed > 0 ? 'FAILED' : 'ok    '} ${file} (${passed} passed, ${failed} failed, ${skipped} skipped, ${seconds} s)`,
  );
  if (failed > 0) console.log(`${failuresIn(output)}\n${errors.slice(-4000)}`);
}

/** Counts the leaves: a test that holds others is not counted itself. */
function watch(parser: Parser, file: string, counts: Counts): void {
  let children = 0;
  parser.on('child', (child: Parser) => {
    children += 1;
    watch(child, file, counts);
  });
  parser.on('assert', (result) => {
    const isParent = children > 0 && !result.skip && result.ok && result.name !== undefined && children-- > 0;
    if (result.skip || result.todo) {
      counts.skipped += 1;
      skips.push(`${file}: ${result.name} (${String(result.skip || result.todo)})`);
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
  const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
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
for (const [name, run] of Object.entries(PARTS)) {
  if (wanted.length === 0 || wanted.includes(name)) await run();
}
const left = leftOnMachine().filter((what) => !before.has(what));
for (const what of left) console.log(`LEFT BEHIND ${what}`);
total.failed += left.length;
for (const skip of skips) console.log(`skipped ${skip}`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;
