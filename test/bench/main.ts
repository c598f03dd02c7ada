/**
 * `npm run bench`: Gantry against the distribution's Docker Engine, both in turn in one run. Prints a table of ratios and
 * writes docs/performance.md with `--write`. `--only WORD`: cases whose name has the word; `--rounds N`. Ends with status
 * 1 when a limit is missed, and says which.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Bench } from './bench.ts';
import { dailyCases } from './daily.ts';
import { fullCases } from './full.ts';
import { imageCases } from './images.ts';
import { logCases } from './logs.ts';
import { ownStart } from './own-start.ts';
import { dockerIsInstalled } from './peer.ts';
import { report } from './report.ts';
import { runCases } from './runs.ts';
import { volumeCases } from './volumes.ts';
import { zooCases } from './zoo.ts';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    only: { type: 'string', multiple: true, default: [] },
    write: { type: 'boolean', default: false },
  },
});

/** One file a group; each asks the bench which of its cases are wanted. */
const GROUPS = [runCases, dailyCases, imageCases, logCases, volumeCases, fullCases, ownStart, zooCases];

if (!dockerIsInstalled())
  throw new Error('bench: no Docker Engine to compare with: apt-get install docker.io');
const bench = new Bench({ rounds: Number(flags.rounds), only: flags.only });
// Interrupted, it still takes its engines along.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void bench.end().finally(() => process.exit(130)));
try {
  await bench.start();
  for (const group of GROUPS) await group(bench);
  const page = path.resolve(import.meta.dirname, '../../docs/performance.md');
  if (flags.write) writeFileSync(page, report(bench.verdicts, bench.notes));
} finally {
  await bench.end();
}
const { verdicts, notes } = bench;
const missed = verdicts.filter(({ met }) => !met);
for (const note of notes) console.log(note);
console.log(`${verdicts.length - missed.length} met, ${missed.length} missed`);
process.exitCode = missed.length > 0 ? 1 : 0;
