/** Health checks as rules: whose settings hold, what results make of a container, when the next look is. */
import t from 'tap';
import {
  healthcheckOf,
  mergeHealthcheck,
  pauseBefore,
  startingHealth,
  withResult,
} from '../../../../core/controllers/container/healthcheck.ts';
import type { ContainerHealth, ProbeResult } from '../../../../core/store/record-types.ts';

const SECOND = 1_000_000_000;

t.test('what the user leaves out is the image’s', async (t) => {
  const image = { Test: ['CMD-SHELL', 'true'], Interval: SECOND, Retries: 7 };
  t.same(mergeHealthcheck(undefined, image), image);
  t.equal(mergeHealthcheck(null, undefined), undefined);
  t.same(mergeHealthcheck({ Test: ['NONE'] }, image)?.Test, ['NONE']);
  t.same(mergeHealthcheck({ Test: [], Interval: 0, Retries: 2 }, image), { ...image, Retries: 2 });
  t.same(mergeHealthcheck({ Timeout: SECOND }, undefined), { Timeout: SECOND });
  const refused: readonly [object, string][] = [
    [{ Interval: 999_999 }, 'Interval in Healthcheck cannot be less than 1ms'],
    [{ Timeout: -1 }, 'Timeout in Healthcheck cannot be less than 1ms'],
    [{ StartPeriod: 1 }, 'StartPeriod in Healthcheck cannot be less than 1ms'],
    [{ StartInterval: 1 }, 'StartInterval in Healthcheck cannot be less than 1ms'],
    [{ Retries: -1 }, 'Retries in Healthcheck cannot be negative'],
  ];
  for (const [given, message] of refused) t.throws(() => mergeHealthcheck(given, image), { message });
});

t.test('its command and its defaults', async (t) => {
  const of = (Healthcheck: object | undefined, more: object = {}) =>
    healthcheckOf({ config: { ...more, Healthcheck } });
  t.same(of({ Test: ['CMD', 'a', 'b'] }), {
    args: ['a', 'b'],
    intervalMs: 30_000,
    timeoutMs: 30_000,
    startPeriodMs: 0,
    startIntervalMs: 5_000,
    retries: 3,
  });
  t.same(of({ Test: ['CMD-SHELL', 'a b'] })?.args, ['/bin/sh', '-c', 'a b']);
  t.same(of({ Test: ['CMD-SHELL', 'a'] }, { Shell: ['/bin/ash', '-ec'] })?.args, ['/bin/ash', '-ec', 'a']);
  t.equal(of({ Test: ['CMD', 'a'], Interval: 1.5 * SECOND })?.intervalMs, 1_500);
  for (const none of [undefined, {}, { Test: [] }, { Test: ['NONE'] }, { Test: ['WHAT', 'x'] }])
    t.equal(of(none), undefined, JSON.stringify(none));
});

const result = (exitCode: number): ProbeResult => ({ start: 's', end: 'e', exitCode, output: '' });

/** Status and streak after results that begin so many milliseconds after the start. */
function after(
  results: readonly (readonly [exitCode: number, startedMs: number])[],
  rules = { retries: 2, startPeriodMs: 0 },
): readonly [string, number] {
  let health: ContainerHealth = startingHealth(undefined);
  for (const [exitCode, startedMs] of results)
    health = withResult(health, result(exitCode), rules, startedMs);
  return [health.status, health.failingStreak];
}

t.test('results make it healthy, or unhealthy after some in a row', async (t) => {
  t.same(after([[0, 0]]), ['healthy', 0]);
  t.same(after([[1, 0]]), ['starting', 1]);
  t.same(
    after([
      [1, 0],
      [-1, 0],
    ]),
    ['unhealthy', 2],
  );
  t.same(
    after([
      [0, 0],
      [1, 0],
    ]),
    ['healthy', 1],
  );
  t.same(
    after([
      [0, 0],
      [1, 0],
      [1, 0],
      [1, 0],
    ]),
    ['unhealthy', 3],
  );
  t.same(
    after([
      [1, 0],
      [1, 0],
      [0, 0],
    ]),
    ['healthy', 0],
  );
});

t.test('failures of the start period do not count, unless it was healthy before', async (t) => {
  const rules = { retries: 1, startPeriodMs: 1_000 };
  t.same(
    after(
      [
        [1, 500],
        [1, 999],
      ],
      rules,
    ),
    ['starting', 0],
  );
  t.same(
    after(
      [
        [1, 500],
        [1, 1_000],
      ],
      rules,
    ),
    ['unhealthy', 1],
  );
  t.same(
    after(
      [
        [0, 100],
        [1, 500],
      ],
      rules,
    ),
    ['unhealthy', 1],
  );
});

t.test('the last five results are kept, also over a start', async (t) => {
  let health = startingHealth(undefined);
  for (let count = 1; count <= 7; count += 1)
    health = withResult(health, result(count), { retries: 99, startPeriodMs: 0 }, 0);
  t.same(
    health.log.map(({ exitCode }) => exitCode),
    [3, 4, 5, 6, 7],
  );
  t.match(startingHealth(health), { status: 'starting', failingStreak: 0, log: health.log });
});

t.test('looks are closer in the start period, until it is healthy', async (t) => {
  const check = {
    args: [],
    timeoutMs: 1,
    retries: 1,
    intervalMs: 30_000,
    startIntervalMs: 5_000,
    startPeriodMs: 60_000,
  };
  const starting = startingHealth(undefined);
  t.equal(pauseBefore(check, starting, 59_999), 5_000);
  t.equal(pauseBefore(check, starting, 60_000), 30_000);
  t.equal(pauseBefore(check, { ...starting, status: 'healthy' }, 1), 30_000);
});
