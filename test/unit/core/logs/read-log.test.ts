/** Logs on a disk: the last lines, older files, and following one that grows, is renamed and ends. */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { LogGrowth } from '../../../../core/controllers/logs/growth.ts';
import { Journal } from '../../../../core/controllers/logs/journal.ts';
import type { ListFiles } from '../../../../core/controllers/logs/log-files.ts';
import { readLog } from '../../../../core/controllers/logs/read-log.ts';
import { anyWrites, asCri, type Written } from './cri-log.ts';

function logFile(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-log-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'container.log');
}

/** The files of a log that began with `file`, as they are at each moment. */
function filesOf(file: string): ListFiles {
  return async () => {
    const paths = new Journal(file).paths();
    return [...paths.filter((one) => one !== file), file].map((one) => ({
      path: one,
      framing: 'cri',
      compressed: false,
    }));
  };
}

function renameLog(file: string): void {
  new Journal(file).rotate();
}

async function read(file: string, tail = -1, growth?: LogGrowth): Promise<string> {
  let text = '';
  for await (const entries of readLog({ list: filesOf(file), tail, growth })) {
    for (const { bytes, text: from, end } of entries) text += bytes.toString('latin1', from, end);
  }
  return text;
}

function append(file: string, text: string): void {
  for (const { line } of asCri([{ stream: 1, bytes: Buffer.from(text) }])) appendFileSync(file, line);
}

/** The number of the line of each entry, lines numbered by their last entries. */
function lineNumbers(log: readonly Written[]): number[] {
  const numbers: number[] = [];
  const open = new Map<number, number>();
  let last = 0;
  for (const { stream, text } of log.toReversed()) {
    if (text.at(-1) === 0x0a || !open.has(stream)) open.set(stream, last++);
    numbers.unshift(open.get(stream) ?? 0);
  }
  return numbers;
}

t.test('the last lines of any log in any number of files', async (t) => {
  const file = logFile(t);
  await fc.assert(
    fc.asyncProperty(anyWrites, fc.nat(12), fc.array(fc.nat(60)), async (writes, tail, rotations) => {
      new Journal(file).removeAll();
      writeFileSync(file, '');
      const log = asCri(writes);
      for (const [index, { line }] of log.entries()) {
        if (rotations.includes(index)) renameLog(file);
        appendFileSync(file, line);
      }
      const numbers = lineNumbers(log);
      const wanted = log.filter((_, index) => (numbers[index] ?? 0) < tail);
      const expected = Buffer.concat(wanted.map(({ text }) => text)).toString('latin1');
      return (await read(file, tail)) === expected;
    }),
  );
  t.pass();
});

t.test('the last lines of a long log', async (t) => {
  const file = logFile(t);
  const lines = Array.from({ length: 200_000 }, (_, index) => `line ${index}\n`);
  writeFileSync(
    file,
    Buffer.concat(asCri([{ stream: 1, bytes: Buffer.from(lines.join('')) }]).map(({ line }) => line)),
  );
  for (const tail of [0, 1, 3, 5000])
    t.equal(await read(file, tail), lines.slice(lines.length - tail).join(''));
  t.equal(await read(file), lines.join(''));
});

t.test('no log yet', async (t) => {
  const file = logFile(t);
  t.equal(await read(file), '');
  t.equal(await read(file, 5), '');
  t.equal(await read(join(file, 'none/container.log')), '');
});

t.test('follows a log over renames to its end, and not into the next run', async (t) => {
  const file = logFile(t);
  const ended = Promise.withResolvers<void>();
  const growth = new LogGrowth({ dirs: [dirname(file)], file, ended: ended.promise });
  t.teardown(() => growth.stop());
  const text = read(file, -1, growth);
  for (let index = 0; index < 50; index += 1) {
    append(file, `line ${index}\n`);
    if (index % 7 === 3) renameLog(file);
    if (index % 5 === 0) await new Promise((later) => setTimeout(later, 2));
  }
  append(file, 'end');
  ended.resolve();
  await ended.promise;
  append(file, 'next run\n');
  t.equal(await text, `${Array.from({ length: 50 }, (_, index) => `line ${index}\n`).join('')}end`);
});

t.test('follows to the end a log that is removed meanwhile', async (t) => {
  const file = logFile(t);
  append(file, 'one\n');
  const ended = Promise.withResolvers<void>();
  const growth = new LogGrowth({ dirs: [dirname(file)], file, ended: ended.promise });
  t.teardown(() => growth.stop());
  const batches = readLog({ list: filesOf(file), tail: -1, growth });
  await batches.next();
  append(file, 'two\n');
  rmSync(file);
  ended.resolve();
  let text = '';
  for await (const entries of batches) {
    for (const { bytes, text: from, end } of entries) text += bytes.toString('latin1', from, end);
  }
  t.equal(text, 'two\n');
});
