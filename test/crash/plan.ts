/** Which runs there are: all of them in order for the sweep, or one that a seed chooses. */
import { METHODS } from './plugin-deaths.ts';
import { type Random, random } from './random.ts';
import type { Run } from './runs.ts';

/** Of one scenario, by index: points and successes that it passes, milliseconds that it takes. */
export interface Sizes {
  readonly points: number;
  readonly successes: number;
  readonly ms: number;
}

/** A start after a crash passes some ten points. */
const RECOVERY_POINTS = 12;
/** One in so many deaths of the sweep is followed by one in the recovery. */
const RECOVERY_EVERY = 4;
const READER_CUTS = 6;
const CLIENT_SECONDS = 10;
const FEW_SECONDS = 4;

export function everyRun(sizes: readonly Sizes[], seed: number): Run[] {
  const chance = random(seed);
  return [
    ...sizes.flatMap(({ points }, scenario) => deaths(scenario, points, chance)),
    ...sizes.flatMap(({ successes }, scenario) =>
      upTo(successes).map((success): Run => ({ kind: 'power', scenario, success })),
    ),
    ...sizes.flatMap(({ points }, scenario) =>
      upTo(points)
        .filter(() => chance.below(RECOVERY_EVERY) === 0)
        .map((point): Run => ({ kind: 'power at death', scenario, point })),
    ),
    ...sizes.flatMap(({ ms }, scenario) =>
      upTo(READER_CUTS).map(
        (): Run => ({ kind: 'power under a reader', scenario, afterMs: chance.below(ms) }),
      ),
    ),
    ...METHODS.flatMap((method) =>
      (['before', 'after'] as const).map((when): Run => ({ kind: 'plugin death', method, when })),
    ),
    { kind: 'restarts' },
    { kind: 'many clients', seed, seconds: CLIENT_SECONDS },
    unsafe(),
  ];
}

/** Those that no chance may leave out. */
export function usualRuns(seed: number): Run[] {
  return [unsafe(), { kind: 'restarts' }, { kind: 'many clients', seed, seconds: FEW_SECONDS }];
}

/** With nothing synced this must lose something, or the sweep would not notice when it does. */
function unsafe(): Run {
  return { kind: 'power', scenario: 0, success: 1, unsafe: true };
}

export function randomRun(sizes: readonly Sizes[], seed: number): Run {
  const chance = random(seed);
  const scenario = chance.below(sizes.length);
  const { points, successes, ms } = sizes[scenario] ?? { points: 1, successes: 1, ms: 1 };
  const point = 1 + chance.below(points);
  const kinds: readonly (() => Run)[] = [
    () => ({ kind: 'death', scenario, point }),
    () => ({ kind: 'death', scenario, point, recovery: 1 + chance.below(RECOVERY_POINTS) }),
    () => ({ kind: 'left-overs', scenario, point }),
    () => ({ kind: 'kill', scenario, afterMs: chance.below(ms) }),
    () => ({ kind: 'power', scenario, success: 1 + chance.below(successes) }),
    () => ({ kind: 'power at death', scenario, point }),
    () => ({ kind: 'power under a reader', scenario, afterMs: chance.below(ms) }),
    () => ({
      kind: 'plugin death',
      method: chance.pick(METHODS),
      when: chance.pick(['before', 'after'] as const),
    }),
  ];
  return chance.pick(kinds)();
}

function deaths(scenario: number, points: number, chance: Random): readonly Run[] {
  return upTo(points).flatMap((point): Run[] => [
    { kind: 'death', scenario, point },
    { kind: 'left-overs', scenario, point },
    ...(chance.below(RECOVERY_EVERY) === 0
      ? [{ kind: 'death', scenario, point, recovery: 1 + chance.below(RECOVERY_POINTS) } as const]
      : []),
  ]);
}

function upTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
