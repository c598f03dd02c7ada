import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import t from 'tap';
import { Database } from '../../../../core/store/database.ts';
import { type Effect, effect } from '../../../../core/store/effect.ts';
import { Locks } from '../../../../core/store/locks.ts';
import { Replay } from '../../../../core/store/replay.ts';
import { FOREVER, fixture, named, QUIET, settle, volume } from './world.ts';

/** As a crash: the next store opens the same files while this one is left where it is. */
t.test('what is committed is there after the next start', async (t) => {
  const { world, open } = fixture(t);
  const store = open();
  const made = named('volume', 'v');
  {
    await using op = await store.begin('volume.create', 'volume/v', { makes: [made] });
    await op.make(made, FOREVER);
    await op.commit({ put: [{ kind: 'volume', id: 'v', record: volume('v') }] });
  }
  await store.close();
  const again = open();
  t.same(again.records.get('volume', 'v'), volume('v'));
  t.same(
    again.effectsOf('volume/v').map(({ key }) => key),
    ['volume/v'],
  );
  t.same(again.openOperations(), []);
  t.same(world.calls, ['make v']);
  await again.close();
});

t.test('an operation that throws undoes what it made, newest first, and leaves no trace', async (t) => {
  const { world, open } = fixture(t);
  const store = open();
  const makes = [named('volume', 'a'), named('volume-mount', 'b'), named('task', 'c')];
  const run = async () => {
    await using op = await store.begin('x', 'container/c', { makes });
    for (const one of makes.slice(0, 2)) await op.make(one, FOREVER);
    world.fails.set('make c', new Error('no'));
    await op.make(named('task', 'c'), FOREVER);
  };
  await t.rejects(run(), /no/);
  t.same(world.calls, ['make a', 'make b', 'make c', 'undo c', 'undo b', 'undo a']);
  t.same([...world.there], []);
  t.same([store.openOperations(), store.allEffects()], [[], []]);
  await store.close();
});

t.test('readers see a record only once it is durable', async (t) => {
  const { open } = fixture(t);
  const store = open();
  const seen: unknown[] = [];
  store.records.watch((kind, id) => seen.push([kind, id]));
  const write = store.put('x', { put: [{ kind: 'volume', id: 'v', record: volume('v') }] });
  t.equal(store.records.get('volume', 'v'), undefined, 'not before the sync');
  t.same(seen, []);
  await write;
  t.same(seen, [['volume', 'v']]);
  await store.close();
});

t.test('replay', async (t) => {
  t.test('undoes what a cut-off operation was making', async (t) => {
    const { world, open } = fixture(t);
    const store = open();
    const makes = [named('volume-mount', 'a'), named('snapshot', 'b')];
    const op = await store.begin('x', 'container/c', { makes });
    await op.make(makes[0] as Effect, FOREVER);
    const next = open();
    await settle(next);
    t.same(world.calls, ['make a', 'undo b', 'undo a'], 'also what may have been made');
    t.same(next.openOperations(), []);
    await Promise.all([store.close(), next.close()]);
  });

  t.test('finishes a removal', async (t) => {
    const { world, open } = fixture(t);
    const store = open();
    const made = named('volume', 'v');
    await store.put('x', { put: [{ kind: 'volume', id: 'v', record: volume('v') }] }, [
      { ...made, owner: 'volume/v' },
    ]);
    const forward = { remove: [{ kind: 'volume' as const, id: 'v' }] };
    await store.begin('volume.remove', 'volume/v', { releases: [made.key], forward });
    const next = open();
    await settle(next);
    t.same(world.calls, ['undo v']);
    t.equal(next.records.get('volume', 'v'), undefined);
    t.same(next.allEffects(), []);
    await Promise.all([store.close(), next.close()]);
  });

  t.test(
    'a removal that its driver refuses: done when the driver has it no more, else taken back',
    async (t) => {
      for (const there of [true, false]) {
        const { world, open } = fixture(t);
        const store = open();
        const made = named('volume', 'v');
        const mount = named('volume-mount', 'm');
        if (there) world.there.add('v');
        await store.put('x', { put: [{ kind: 'volume', id: 'v', record: volume('v') }] }, [
          { ...made, owner: 'volume/v' },
          { ...mount, owner: 'container/c' },
        ]);
        const forward = { remove: [{ kind: 'volume' as const, id: 'v' }] };
        await store.begin('container.remove', 'container/c', { releases: [mount.key, made.key], forward });
        world.fails.set('undo v', new HostError('Unknown', 'DRIVER_ERROR', 'no'));
        const next = open();
        await settle(next);
        t.same(next.records.get('volume', 'v'), there ? volume('v') : undefined);
        t.same(
          next.allEffects().map(({ key }) => key),
          there ? [made.key] : [],
          'the rest is done in any case',
        );
        t.same(next.openOperations(), []);
        await Promise.all([store.close(), next.close()]);
      }
    },
  );

  t.test(
    'a removal that its driver gives no answer to stays open, and is tried when the driver appears',
    async (t) => {
      const { world, open } = fixture(t);
      const store = open();
      const made = effect('volume', 'd/v', { driver: 'd', name: 'v', options: null });
      const record = { kind: 'volume' as const, id: 'v', record: volume('v') };
      await store.put('x', { put: [record] }, [{ ...made, owner: 'volume/v' }]);
      const forward = { remove: [{ kind: 'volume' as const, id: 'v' }] };
      await store.begin('volume.remove', 'volume/v', { releases: [made.key], forward });
      world.fails.set('undo v', new HostError('Unavailable', 'DRIVER_CONNECTION_LOST', 'away'));
      const next = open();
      const appear: (() => void)[] = [];
      const onAppear = (driver: string, tell: () => void) => {
        t.equal(driver, 'd');
        appear.push(tell);
        return () => {};
      };
      const replay = new Replay({
        store: next,
        locks: new Locks(),
        wanted: () => true,
        onAppear,
        log: QUIET,
      });
      await replay.settleAll(FOREVER);
      t.ok(next.records.get('volume', 'v'));
      t.match(replay.waiting().get('volume/v'), /away/);
      world.fails.clear();
      const gone = Promise.withResolvers<void>();
      next.records.watch((_kind, _id, now) => now === undefined && gone.resolve());
      for (const tell of appear) tell();
      await gone.promise;
      replay.stop();
      await Promise.all([store.close(), next.close()]);
    },
  );

  t.test(
    'an effect belongs to whom it says, and is undone with the operation that was making it',
    async (t) => {
      const { world, open } = fixture(t);
      const store = open();
      const own = { ...named('volume', 'v'), owner: 'volume/v' as const };
      {
        await using op = await store.begin('container.create', 'container/c', { makes: [own] });
        await op.make(own, FOREVER);
        await op.commit({});
      }
      t.same(
        store.effectsOf('volume/v').map(({ key }) => key),
        [own.key],
      );
      const other = { ...named('volume', 'w'), owner: 'volume/w' as const };
      const cut = await store.begin('container.create', 'container/d', { makes: [other] });
      await cut.make(other, FOREVER);
      const next = open();
      await settle(next);
      t.same([...world.there], ['v']);
      await Promise.all([store.close(), next.close()]);
    },
  );

  t.test('keeps what a cut-off create made, and drops what it did not', async (t) => {
    for (const made of [true, false]) {
      const { world, open } = fixture(t);
      const store = open();
      const one = named('volume', 'v');
      const forward = { put: [{ kind: 'volume' as const, id: 'v', record: volume('v') }] };
      const op = await store.begin('volume.create', 'volume/v', { makes: [one], forward });
      if (made) await op.make(one, FOREVER);
      const next = open();
      await settle(next);
      t.notOk(world.calls.includes('undo v'), 'nothing is removed by guess');
      t.same(next.records.get('volume', 'v'), made ? volume('v') : undefined);
      t.same(next.openOperations(), []);
      await Promise.all([store.close(), next.close()]);
    }
  });

  t.test('waits for a driver that is away, and says so', async (t) => {
    const { world, open } = fixture(t);
    const store = open();
    const one = named('volume-mount', 'm');
    const op = await store.begin('x', 'container/c', { makes: [one] });
    await op.make(one, FOREVER);
    const next = open();
    world.fails.set('undo m', new HostError('Unavailable', 'DRIVER_UNAVAILABLE', 'away'));
    const replay = await settle(next, () => false);
    t.same([next.openOperations(), next.allEffects().map(({ key }) => key)], [[], [one.key]], 'by itself');
    t.match(replay.waiting().get('container/c'), /away/);
    world.fails.clear();
    await replay.settleAll(FOREVER);
    t.same([next.allEffects(), [...world.there], replay.waiting().size], [[], [], 0]);
    await Promise.all([store.close(), next.close()]);
  });

  t.test('forgets kernel effects of an earlier boot without undoing them', async (t) => {
    const { world, open } = fixture(t);
    const store = open('boot-1');
    const makes = [named('task', 't'), named('volume-mount', 'm')];
    {
      await using op = await store.begin('x', 'container/c', { makes });
      for (const one of makes) await op.make(one, FOREVER);
      await op.commit({});
    }
    const next = open('boot-2');
    await settle(next, () => false);
    t.same(world.calls, ['make t', 'make m', 'undo m']);
    t.same(next.allEffects(), []);
    await Promise.all([store.close(), next.close()]);
  });

  t.test('makes anew only what can no longer come back as it was', async (t) => {
    const { open, synced } = fixture(t);
    const store = open();
    const one = named('snapshot', 's');
    await store.put('x', {}, [{ ...one, owner: 'container/c' }]);
    const release = store.resume('x', 'container/c');
    await release.release(one.key, FOREVER);
    await release.commit({});
    t.same(synced, []);
    await using op = await store.begin('x', 'container/c', { makes: [one] });
    await op.make(one, FOREVER);
    t.same(synced, ['synced']);
    await op.commit({});
    t.equal(store.effect(one.key)?.key, one.key);
    await store.close();
  });

  t.test('undoes again what a power cut may have brought back', async (t) => {
    const { world, open, synced } = fixture(t);
    const store = open();
    const one = named('snapshot', 's');
    await store.put('x', {}, [{ ...one, owner: 'container/c' }]);
    const op = store.resume('container.exit', 'container/c');
    await op.release(one.key, FOREVER);
    await op.commit({});
    t.equal(store.allEffects().length, 1, 'still on the books');
    const next = open();
    await settle(next, () => false);
    t.same(world.calls, ['undo s', 'undo s']);
    await next.close();
    t.same(synced, ['synced'], 'written out before it is struck');
    const last = open();
    t.same(last.allEffects(), []);
    await Promise.all([store.close(), last.close()]);
  });
});

t.test('a database of a newer Gantry is refused, and not touched', async (t) => {
  const dir = mkdtempSync(path.join(tmpdir(), 'gantry-store-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const database = new Database(dir);
  await database.commit(() => database.prepare('PRAGMA user_version=99').run());
  await database.close();
  t.throws(() => new Database(dir), /written by a newer Gantry \(schema 99/);
});

t.test('the store is written to while its log is checkpointed', async (t) => {
  const { open } = fixture(t);
  const store = open();
  const names = Array.from({ length: 2_000 }, (_, index) => `v${index}`);
  for (const name of names) {
    void store.put('x', { put: [{ kind: 'volume', id: name, record: volume(name) }] });
    if (name.endsWith('00')) await store.put('x', {});
  }
  await store.put('x', {});
  await store.close();
  const again = open();
  t.equal(again.records.count('volume'), names.length);
  await again.close();
});
