/** Alternating measurements of two engines, and what is said of them: medians and the ratio pair by pair. */

export interface Comparison {
  readonly name: string;
  /** Highest ratio that is good enough. */
  readonly limit: number;
  readonly unit: string;
  readonly gantry: readonly number[];
  readonly docker: readonly number[];
}

export interface Verdict extends Comparison {
  readonly ratio: number;
  readonly met: boolean;
}

/** Runs the two in turn, the first to go changing each round; `warm` rounds are not counted. */
export async function alternate(
  rounds: number,
  gantry: () => Promise<number>,
  docker: () => Promise<number>,
  warm = 2,
): Promise<{ gantry: number[]; docker: number[] }> {
  const result = { gantry: [] as number[], docker: [] as number[] };
  for (let round = -warm; round < rounds; round += 1) {
    const order = round % 2 === 0 ? (['gantry', 'docker'] as const) : (['docker', 'gantry'] as const);
    for (const engine of order) {
      const took = await (engine === 'gantry' ? gantry : docker)();
      if (round >= 0) result[engine].push(took);
    }
  }
  return result;
}

export function judge(comparison: Comparison): Verdict {
  const pairs = comparison.gantry.map((value, index) => value / (comparison.docker[index] ?? Number.NaN));
  const ratio = median(pairs);
  return { ...comparison, ratio, met: ratio <= comparison.limit };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}
