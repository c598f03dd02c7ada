/** Declared operations: the records are on the disk with the intent, and their end needs no sync (docs/adr/0005). */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import t, { type Test } from 'tap';
import type { Effect } from '../../../../core/store/effect.ts';
import type { Store } from '../../../../core/store/store.ts';
import { FOREVER, fixture, named, settle, volume } from './world.ts';

const put = { put: [{ kind: 'volume' as const, id: 'v', record: volume('v') }] };
const remove = { remove: [{ kind: 'volume' as const, id: 'v' }] };
const made = named('volume', 'v');
const REFUSED = new HostError('Unknown', 'DRIVER_ERROR', 'no');

const create = (store: Store, effect: Effect = made) =>
  store.begin('volume.create', 'volume/v', { makes: [effect], forward: put, declared: true });
const drop = (store: Store, effect: Effect = made) =>
  store.begin('volume.remove', 'volume/v', { releases: [effect.key], forward: remove, declared: true });

async function withVolume(t: Test, effect: Effect = made) {
  const around = fixture(t);
  const store = around.open();
  const op = await create(store, effect);
  await op.make(effect, FOREVER);
  op.finish();
  return { ...around, store };
}

const books = (store: Store) => ({
  volume: store.records.get('volume', 'v')?.name,
  effects: store.allEffects().map(({ key }) => key),
  open: store.openOperations().length,
});
const THERE = { volume: 'v', effects: ['volume/v'], open: 0 };
const GONE = { volume: undefined, effects: [], open: 0 };

t.test(
  'a create: no reader sees it before its driver has made it, and none misses it after that',
  async (t) => {
    const { open, world } = fixture(t);
    const store = open();
    const op = await create(store);
    t.equal(store.records.get('volume', 'v'), undefined, 'the driver was not asked yet');
    await op.make(made, FOREVER);
    op.finish();
    t.same(books(store), THERE, 'at once');

    const next = open();
    t.equal(next.records.get('volume', 'v')?.name, 'v', 'a crash right after the answer takes nothing');
    await settle(next);
    t.same(books(next), THERE);
    t.same(world.calls, ['make v'], 'and the driver is not asked for it twice');
    await Promise.all([store.close(), next.close()]);
  },
);

t.test(
  'a create, cut off before its driver was asked, or lost by the driver: made at the next start',
  async (t) => {
    const { open, world } = fixture(t);
    const store = open();
    await create(store);
    const next = open();
    await settle(next);
    t.same(books(next), THERE);
    t.same(world.calls, ['make v']);
    await Promise.all([store.close(), next.close()]);
  },
);

t.test('a create that its driver refuses', async (t) => {
  t.test('is taken back before the refusal is answered', async (t) => {
    const { open } = fixture(t);
    const store = open();
    const op = await create(store);
    await op.abandon();
    const next = open();
    t.same([books(store), books(next)], [GONE, GONE]);
    await Promise.all([store.close(), next.close()]);
  });
  t.test('is taken back by replay', async (t) => {
    const { open, world } = fixture(t);
    const store = open();
    await create(store);
    world.fails.set('make v', REFUSED);
    const next = open();
    await settle(next);
    t.same(books(next), GONE);
    const last = open();
    t.same(books(last), GONE, 'also on the disk');
    await Promise.all([store.close(), next.close(), last.close()]);
  });
});

t.test('a create whose caller was told of a failure is not made afterwards', async (t) => {
  const { open, world } = fixture(t);
  const store = open();
  {
    await using _op = await create(store);
  }
  await settle(store);
  t.same(books(store), GONE);
  t.same(world.calls, []);
  await store.close();
});

t.test('a removal', async (t) => {
  t.test('is over at once, and for good', async (t) => {
    const { store, open, world } = await withVolume(t);
    const op = await drop(store);
    t.equal(store.records.get('volume', 'v')?.name, 'v', 'its driver was not asked yet');
    await op.release(made.key, FOREVER);
    op.finish();
    t.same(books(store), GONE);
    const next = open();
    t.equal(next.records.get('volume', 'v'), undefined, 'a crash right after the answer brings nothing back');
    await settle(next);
    t.same(books(next), GONE);
    t.same([...world.there], []);
    await Promise.all([store.close(), next.close()]);
  });
  t.test('that its driver refuses is taken back, by itself and by replay', async (t) => {
    for (const cutOff of [false, true]) {
      const { store, open, world } = await withVolume(t);
      world.fails.set('undo v', REFUSED);
      const op = await drop(store);
      if (!cutOff) await op.abandon();
      const next = open();
      await settle(next);
      t.same(books(next), THERE, cutOff ? 'by replay' : 'by itself');
      await Promise.all([store.close(), next.close()]);
    }
  });
});

t.test('made anew while the undoing of its namesake waits for a sync', async (t) => {
  const effect = named('snapshot', 'v'); // of the kind whose undoing a power cut could take back
  const { store, open, synced } = await withVolume(t, effect);
  const removal = await drop(store, effect);
  await removal.release(effect.key, FOREVER);
  removal.finish();
  t.same(synced, [], 'the undoing is not synced yet');
  const op = await create(store, effect);
  t.same(synced, ['synced'], 'but is, before the same is declared');
  await op.make(effect, FOREVER);
  op.finish();
  const next = open();
  await settle(next);
  t.same(books(next), { ...THERE, effects: [effect.key] });
  await Promise.all([store.close(), next.close()]);
});

t.test('several on one object, all ends lost', async (t) => {
  t.test('made and removed: nothing is made anew, and no reader sees it', async (t) => {
    const { store, open, world } = await withVolume(t);
    const op = await drop(store);
    await op.release(made.key, FOREVER);
    op.finish();
    const next = open();
    t.equal(next.openOperations().length, 1, 'the first had ended before the second began');
    t.same(next.records.get('volume', 'v'), undefined);
    await settle(next);
    t.same(books(next), GONE);
    t.same(world.calls, ['make v', 'undo v', 'undo v']);
    const last = open();
    t.same(books(last), GONE, 'on the disk too');
    await Promise.all([store.close(), next.close(), last.close()]);
  });
  t.test('removed and made: what was made last stays', async (t) => {
    const { store, open, world } = await withVolume(t);
    const op = await drop(store);
    await op.release(made.key, FOREVER);
    op.finish();
    const again = await create(store);
    await again.make(made, FOREVER);
    again.finish();
    const next = open();
    await settle(next);
    t.same(books(next), THERE);
    t.same(world.calls, ['make v', 'undo v', 'make v'], 'and is not removed by the earlier removal');
    await Promise.all([store.close(), next.close()]);
  });
  t.test('made, and its removal refused: stays', async (t) => {
    const { store, open, world } = await withVolume(t);
    await drop(store);
    world.fails.set('undo v', REFUSED);
    const next = open();
    t.same(next.records.get('volume', 'v'), undefined, 'as declared');
    await settle(next);
    const last = open();
    t.same([books(next), books(last)], [THERE, THERE]);
    await Promise.all([store.close(), next.close(), last.close()]);
  });
});

t.test('many ends ride with the next intent', async (t) => {
  const { open } = fixture(t);
  const store = open();
  for (let at = 0; at < 33; at += 1) {
    const effect = named('volume', `v${at}`);
    const forward = { put: [{ kind: 'volume' as const, id: `v${at}`, record: volume(`v${at}`) }] };
    const op = await store.begin('volume.create', `volume/v${at}`, {
      makes: [effect],
      forward,
      declared: true,
    });
    await op.make(effect, FOREVER);
    op.finish();
  }
  const next = open();
  t.equal(next.openOperations().length, 1);
  t.equal(next.records.count('volume'), 33);
  await Promise.all([store.close(), next.close()]);
});

t.test('ends go to the disk by themselves', async (t) => {
  const { open } = fixture(t, 30);
  const store = open();
  const op = await create(store);
  await op.make(made, FOREVER);
  op.finish();
  const ended = async (): Promise<void> => {
    const next = open();
    const left = next.openOperations().length;
    await next.close();
    if (left > 0) await new Promise((resolve) => setTimeout(resolve, 10)).then(ended);
  };
  await ended(); // or the test's own time-out
  t.same(books(store), THERE);
  await store.close();
});

t.test('ends go to the disk with the daemon', async (t) => {
  const { store, open } = await withVolume(t);
  const early = open();
  t.equal(early.openOperations().length, 1, 'not at once');
  await early.close();
  await store.close();
  const last = open();
  t.equal(last.openOperations().length, 0);
  t.same(books(last), THERE);
  await last.close();
});
