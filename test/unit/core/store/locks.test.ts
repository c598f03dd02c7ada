import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { type LockKey, Locks } from '../../../../core/store/locks.ts';

t.test('writers of one key run one after another, in the order they came', async (t) => {
  const locks = new Locks();
  const seen: string[] = [];
  const write = (name: string, ms: number) =>
    locks.hold(['volume/a'], undefined, async () => {
      seen.push(`${name} begins`);
      await sleep(ms);
      seen.push(`${name} ends`);
    });
  await Promise.all([write('1', 10), write('2', 0), write('3', 0)]);
  t.same(seen, ['1 begins', '1 ends', '2 begins', '2 ends', '3 begins', '3 ends']);
  t.notOk(locks.isHeld('volume/a'));
});

t.test('a failing writer lets go', async (t) => {
  const locks = new Locks();
  await t.rejects(
    locks.hold(['volume/a'], undefined, async () => Promise.reject(new Error('no'))),
    /no/,
  );
  t.equal(await locks.hold(['volume/a'], undefined, async () => 'mine'), 'mine');
});

t.test('one who gives up waiting does not let the next overtake the holder', async (t) => {
  const locks = new Locks();
  const holder = Promise.withResolvers<void>();
  let ended = false;
  const first = locks.hold(['volume/a'], undefined, async () => {
    await holder.promise;
    ended = true;
  });
  const patience = new AbortController();
  const impatient = locks.hold(['volume/a'], patience.signal, async () => t.fail('must not run'));
  const third = locks.hold(['volume/a'], undefined, async () => t.ok(ended, 'the holder had ended'));
  patience.abort();
  await t.rejects(impatient, { kind: 'DeadlineExceeded', code: 'OBJECT_BUSY', message: /volume\/a/ });
  holder.resolve();
  await Promise.all([first, third]);
  t.notOk(locks.isHeld('volume/a'));
});

t.test('a key named twice is taken once', async (t) => {
  t.equal(await new Locks().hold(['volume/a', 'volume/a'], undefined, async () => 1), 1);
});

t.test('writers of overlapping sets of keys never wait in a circle', async (t) => {
  const locks = new Locks();
  const keys: LockKey[] = ['volume/b', 'container/z', 'volume/a', 'image/x', 'container/a'];
  let running = 0;
  const work = Array.from({ length: 200 }, (_, index) => {
    const mine = keys.filter((_, bit) => ((index * 7 + 3) >> bit) % 2 === 1);
    // Any order may be asked for.
    return locks.hold(index % 2 ? mine : mine.toReversed(), undefined, async () => {
      running += 1;
      await sleep(0);
    });
  });
  await Promise.all(work);
  t.equal(running, 200);
});
