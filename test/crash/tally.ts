/** What the runs came to: faults as they are found, and in the end a table and the one line that counts. */
import type { Run } from './runs.ts';
import { SCENARIOS } from './scenarios.ts';
import type { Result } from './worker.ts';

interface Row {
  runs: number;
  points: number;
  failed: number;
}

export class Tally {
  readonly #rows = new Map<string, Row>();
  readonly #seeds = new Map<Run, number | undefined>();
  #runs = 0;
  #points = 0;
  #failed = 0;

  begin(run: Run, seed: number | undefined): void {
    this.#seeds.set(run, seed);
  }

  end(run: Run, { points, faults, log = '' }: Result): void {
    const failed =
      'unsafe' in run && run.unsafe ? !faults.some((fault) => fault.includes('lost')) : faults.length > 0;
    const row = this.#row(run);
    row.runs += 1;
    row.points += points;
    this.#runs += 1;
    this.#points += points;
    if (!failed) return;
    row.failed += 1;
    this.#failed += 1;
    const seed = this.#seeds.get(run);
    const repeat = seed === undefined ? '' : ` (again with: npm run crash -- --runs 1 --seed ${seed})`;
    const found = faults.length > 0 ? faults : ['it lost nothing, though nothing was synced'];
    process.stdout.write(`FAILED ${JSON.stringify({ ...run, name: scenarioOf(run) })}${repeat}\n`);
    for (const fault of found) process.stdout.write(`  ${fault}\n`);
    if (log !== '') process.stdout.write(`  the daemon's last words:\n${log.replace(/^/gm, '    ')}\n`);
  }

  /** False when something failed, or when some of `expected` passed no point at all. */
  print(expected: readonly string[]): boolean {
    const rows = [...this.#rows].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [name, { runs, points, failed }] of rows) {
      process.stdout.write(
        `${name.padEnd(58)} ${String(runs).padStart(5)} runs ${String(points).padStart(6)} points ${failed} failed\n`,
      );
    }
    const unmet = expected.filter(
      (name) => !rows.some(([row, { points }]) => row.includes(name) && points > 0),
    );
    for (const name of unmet) process.stdout.write(`no points: ${name}\n`);
    process.stdout.write(
      `${this.#runs} runs, ${this.#points} points, ${this.#failed + unmet.length} failed\n`,
    );
    return this.#failed + unmet.length === 0 && this.#points > 0;
  }

  #row(run: Run): Row {
    const kind = 'unsafe' in run && run.unsafe ? 'power, nothing synced' : run.kind;
    const name = [kind, scenarioOf(run)].filter(Boolean).join(': ');
    const row = this.#rows.get(name) ?? { runs: 0, points: 0, failed: 0 };
    this.#rows.set(name, row);
    return row;
  }
}

function scenarioOf(run: Run): string {
  if ('scenario' in run) return SCENARIOS[run.scenario]?.name ?? '';
  return run.kind === 'plugin death' ? `${run.method}, ${run.when}` : '';
}
