/** Restart policies as rules, and how many restarts go at once. */
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import {
  nextDelay,
  restartPolicyOf,
  shouldRestart,
  startsWithDaemon,
} from '../../../../core/controllers/container/restart-policy.ts';
import { Restarts } from '../../../../core/controllers/container/restarts.ts';

const log = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

t.test('delays double from 100 ms to a minute, and begin anew after ten seconds of life', async (t) => {
  const delays: number[] = [];
  let last = 0;
  for (let round = 0; round < 12; round += 1) {
    last = nextDelay(last, 9_999);
    delays.push(last);
  }
  t.same(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
  t.equal(nextDelay(60_000, 10_000), 100);
});

t.test('whether one that has ended starts again', async (t) => {
  const policy = (Name: string, MaximumRetryCount = 0) =>
    restartPolicyOf({ hostConfig: { RestartPolicy: { Name, MaximumRetryCount } } });
  const end = { exitCode: 1, restarts: 0, manuallyStopped: false, final: false };
  const cases: readonly [name: string, ReturnType<typeof policy>, Partial<typeof end>, boolean][] = [
    ['none', restartPolicyOf({ hostConfig: {} }), {}, false],
    ['an empty name', policy(''), {}, false],
    ['no', policy('no'), {}, false],
    ['always', policy('always'), { exitCode: 0 }, true],
    ['always, after a signal that is not to end it', policy('always'), { manuallyStopped: true }, true],
    ['always, stopped', policy('always'), { manuallyStopped: true, final: true }, false],
    ['unless-stopped', policy('unless-stopped'), { exitCode: 0 }, true],
    ['unless-stopped, after any signal', policy('unless-stopped'), { manuallyStopped: true }, false],
    ['on-failure', policy('on-failure'), { restarts: 100 }, true],
    ['on-failure, no failure', policy('on-failure'), { exitCode: 0 }, false],
    ['on-failure, one left', policy('on-failure', 3), { restarts: 2 }, true],
    ['on-failure, none left', policy('on-failure', 3), { restarts: 3 }, false],
    ['on-failure, stopped', policy('on-failure'), { final: true }, false],
  ];
  for (const [name, of, how, again] of cases) t.equal(shouldRestart(of, { ...end, ...how }), again, name);
  t.ok(startsWithDaemon(policy('always'), true));
  t.ok(startsWithDaemon(policy('unless-stopped'), false));
  t.notOk(startsWithDaemon(policy('unless-stopped'), true));
  t.notOk(startsWithDaemon(policy('on-failure'), false));
});

t.test('four start at once, the rest in turn; what is cancelled does not', async (t) => {
  const restarts = new Restarts(() => () => {}, log, new AbortController().signal);
  const started: string[] = [];
  const ends = new Map<string, () => void>();
  for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) restarts.schedule(id, 0);
  await delay(20);
  t.same(started, [], 'none before the daemon is ready');
  restarts.begin(async (id) => {
    started.push(id);
    const { promise, resolve } = Promise.withResolvers<void>();
    ends.set(id, resolve);
    await promise;
  });
  await delay(0);
  t.same(started, ['a', 'b', 'c', 'd']);
  restarts.cancel('e');
  ends.get('b')?.();
  await delay(0);
  t.same(started, ['a', 'b', 'c', 'd', 'f']);
  for (const end of ends.values()) end();
});

t.test('a start that throws is tried again, and one that waits for a driver when that appears', async (t) => {
  let tell = () => {};
  let left = 0;
  const onAppear = (_driver: string, call: () => void) => {
    tell = call;
    return () => {
      left += 1;
    };
  };
  const stopping = new AbortController();
  const restarts = new Restarts(onAppear, log, stopping.signal);
  const { promise: twice, resolve } = Promise.withResolvers<void>();
  let count = 0;
  restarts.begin(async () => {
    count += 1;
    if (count === 1) throw new Error('no');
    resolve();
  });
  restarts.schedule('a', 0);
  await twice;
  t.equal(count, 2);

  const { promise: third, resolve: done } = Promise.withResolvers<void>();
  restarts.begin(async () => done());
  restarts.schedule('a', 3_600_000, ['sample']);
  tell();
  await third;
  t.equal(left, 1, 'nobody waits for the driver any more');
  stopping.abort();
  restarts.schedule('a', 0);
});
