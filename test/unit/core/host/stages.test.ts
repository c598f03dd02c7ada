/** The stages of the call pipeline that have a memory or a clock, one at a time. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import t from 'tap';
import { Breaker, type BreakerState } from '../../../../core/host/breaker.ts';
import { Bulkhead } from '../../../../core/host/bulkhead.ts';
import { Call, type Send } from '../../../../core/host/call.ts';
import { deadline, deadlineMs } from '../../../../core/host/deadline.ts';
import { editDistance, nearNames } from '../../../../core/host/near-names.ts';

const call = (signal?: AbortSignal) => new Call('get', {}, signal);
const failing = (code: string): HostError => new HostError('Unavailable', code, code);

t.test('the breaker', async (t) => {
  let now = 0;
  let outcome: () => Promise<unknown> = async () => 'answer';
  let sent = 0;
  const changes: [BreakerState, number][] = [];
  const onChange = (state: BreakerState, opened: number) => void changes.push([state, opened]);
  const breaker = new Breaker('p', { now: () => now, onChange });
  const send = breaker.stage(() => {
    sent++;
    return outcome();
  });
  const fail = (code: string) => async () => {
    throw failing(code);
  };
  const codeOf = (calls: Promise<unknown>) => calls.then(String, (error: HostError) => error.code);
  const codes = async (count: number) => {
    const all: string[] = [];
    for (let nth = 0; nth < count; nth++) all.push(await codeOf(send(call())));
    return all;
  };

  t.test('does not count what the driver itself refuses, nor callers that leave', async (t) => {
    for (const code of ['DRIVER_ERROR', 'VOLUME_IN_USE', 'CANCELED', 'DRIVER_BUSY']) {
      outcome = fail(code);
      t.same(await codes(9), Array(9).fill(code));
    }
    t.equal(breaker.state, 'closed');
  });
  t.test('opens after five failures in a row, not after four and a success', async (t) => {
    outcome = fail('DRIVER_DEADLINE');
    await codes(4);
    outcome = async () => 'answer';
    await codes(1);
    outcome = fail('DRIVER_BAD_ANSWER');
    t.same(await codes(5), Array(5).fill('DRIVER_BAD_ANSWER'));
    sent = 0;
    t.same(await codes(3), Array(3).fill('DRIVER_CRASH_LOOP'));
    t.equal(sent, 0, 'nothing is sent');
    await t.rejects(send(call()), { details: { retryAfterMs: 250 }, cause: { code: 'DRIVER_BAD_ANSWER' } });
  });
  t.test('lets one call probe after a pause that doubles, up to ten seconds', async (t) => {
    for (const pauseMs of [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]) {
      now += pauseMs - 1;
      t.same(await codes(1), ['DRIVER_CRASH_LOOP'], `still open before ${pauseMs} ms`);
      now += 1;
      const [probe, other] = [codeOf(send(call())), codeOf(send(call()))];
      t.same(
        [await probe, await other],
        ['DRIVER_BAD_ANSWER', 'DRIVER_CRASH_LOOP'],
        `one after ${pauseMs} ms`,
      );
    }
  });
  t.test('lets another call probe when the caller of the probe left', async (t) => {
    now += 10_000;
    outcome = fail('CANCELED');
    t.same(await codes(1), ['CANCELED']);
    outcome = async () => 'answer';
    t.same(await codes(2), ['answer', 'answer']);
    t.same(changes.at(-1), ['closed', 0]);
  });
  t.test('forgets at once on a reset', async (t) => {
    outcome = fail('DRIVER_UNAVAILABLE');
    await codes(6);
    t.equal(breaker.state, 'open');
    breaker.reset();
    outcome = async () => 'answer';
    t.same(await codes(1), ['answer']);
  });
});

t.test('the bulkhead bounds calls in flight, keeps their order, and drops those that left', async (t) => {
  const bulkhead = new Bulkhead('p', { inFlight: 2, queued: 2 });
  const running: (() => void)[] = [];
  const order: number[] = [];
  const sendNth = (nth: number, pending = call()) =>
    bulkhead.stage(() => {
      order.push(nth);
      return new Promise((resolve) => running.push(() => resolve(nth)));
    })(pending);
  const leaving = call();
  const calls = [sendNth(0), sendNth(1), sendNth(2, leaving), sendNth(3)];
  await t.rejects(sendNth(4), { kind: 'ResourceExhausted', code: 'DRIVER_BUSY' });
  leaving.abort(failing('CANCELED'));
  await t.rejects(calls[2] ?? Promise.resolve(), { code: 'CANCELED' });
  t.same(order, [0, 1]);
  running[0]?.();
  t.equal(await calls[0], 0);
  t.same(order, [0, 1, 3]);
  t.equal(bulkhead.inFlight, 2);
  running[1]?.();
  running[2]?.();
  t.same(await Promise.all([calls[1], calls[3]]), [1, 3]);
  t.equal(bulkhead.inFlight, 0);
});

t.test('the deadline ends a call that does not listen', async (t) => {
  const never: Send = () => new Promise(() => undefined);
  const late = call();
  await t.rejects(deadline('driver "p"', () => 1)(never)(late), {
    kind: 'DeadlineExceeded',
    code: 'DRIVER_DEADLINE',
    message: 'driver "p": get: no answer in 1 ms',
  });
  t.match(late.signal, { aborted: true, reason: { code: 'DRIVER_DEADLINE' } });
  const open = deadline('p', () => 0)(async () => 'answer');
  t.equal(await open(call()), 'answer');
  const gone = AbortSignal.abort();
  await t.rejects(open(call(gone)), { code: 'CANCELED' });
});

t.test('deadlines are those of the protocol, or of the contract', async (t) => {
  const rows: [string, string, number][] = [
    ['gantry.volume.v1', 'create', 120_000],
    ['gantry.volume.v1', 'mount', 120_000],
    ['gantry.volume.v1', 'get', 60_000],
    ['gantry.runtime.v1', 'wait', 0],
    ['gantry.runtime.v1', 'start', 60_000],
  ];
  for (const [point, method, ms] of rows) t.equal(deadlineMs(point, method), ms, `${point} ${method}`);
});

t.test('near names', async (t) => {
  const distances: [string, string, number][] = [
    ['rec', 'rec', 0],
    ['rcc', 'rec', 1],
    ['rce', 'rec', 1],
    ['', 'rec', 3],
    ['kitten', 'sitting', 3],
  ];
  for (const [a, b, edits] of distances) t.equal(editDistance(a, b), edits, `${a} ${b}`);
  t.same(nearNames('rcc', ['nfs', 'rec', 'REC', 'rclone', 'local']), ['rec', 'REC']);
  t.same(nearNames('x', ['y', 'z']), [], 'a name is not near when all of it differs');
});
