/**
 * The crash runs. `--sweep`: every point of every scenario, every power cut, every death of the plugin. Else seeded random
 * runs: `--runs N` of them, or as many as fit into `--seconds S`; `--seed N` is the first one's seed, and that of a run
 * that failed repeats it with `--runs 1`. `--only WORD`: scenarios or kinds whose name has the word. `--jobs N`.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { everyRun, randomRun, type Sizes, usualRuns } from './plan.ts';
import { METHODS } from './plugin-deaths.ts';
import { SCENARIOS } from './scenarios.ts';
import { Tally } from './tally.ts';
import { Workers } from './workers.ts';

const { values } = parseArgs({
  options: {
    sweep: { type: 'boolean', default: false },
    runs: { type: 'string' },
    seconds: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string', default: '' },
    jobs: { type: 'string', default: String(Math.min(availableParallelism(), 4)) },
  },
});

const begun = Date.now();
const workers = await Workers.start(Number(values.jobs));
const tally = new Tally();
try {
  const sizes: Sizes[] = [];
  for (const [index] of SCENARIOS.entries()) sizes.push(await workers.measure(index));
  const next = values.sweep ? swept(sizes) : seeded(sizes);
  await workers.work(
    () => {
      const planned = next();
      if (planned) tally.begin(planned.run, planned.seed);
      return planned && { do: 'run', run: planned.run };
    },
    (job, result) => job.do === 'run' && tally.end(job.run, result),
  );
} finally {
  await workers.stop();
}
const expected = values.sweep && values.only === '' ? [...SCENARIOS.map(({ name }) => name), ...METHODS] : [];
process.exitCode = tally.print(expected) ? 0 : 1;

type Next = () => { run: Parameters<Tally['begin']>[0]; seed: number | undefined } | undefined;

function swept(sizes: readonly Sizes[]): Next {
  const runs = everyRun(sizes, Number(values.seed)).filter((run) =>
    JSON.stringify(named(run)).includes(values.only),
  );
  return () => {
    const run = runs.shift();
    return run && { run, seed: undefined };
  };
}

function seeded(sizes: readonly Sizes[]): Next {
  const limit = values.runs === undefined ? Number.POSITIVE_INFINITY : Number(values.runs);
  const until =
    values.seconds === undefined ? Number.POSITIVE_INFINITY : begun + Number(values.seconds) * 1_000;
  if (limit === Number.POSITIVE_INFINITY && until === limit)
    throw new Error('crash: --sweep, --runs or --seconds');
  const first = values.seconds === undefined ? [] : usualRuns(Number(values.seed));
  let count = 0;
  return () => {
    const run = first.shift();
    if (run) return { run, seed: undefined };
    if (count >= limit || Date.now() >= until) return undefined;
    const seed = Number(values.seed) + count;
    count += 1;
    return { run: randomRun(sizes, seed), seed };
  };
}

function named(run: Parameters<Tally['begin']>[0]): object {
  return 'scenario' in run ? { ...run, scenario: SCENARIOS[run.scenario]?.name } : run;
}
