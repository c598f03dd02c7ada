/** The overlay driver on a real kernel: needs root and a file system that can hold an upper directory. */
import {
  chmodSync,
  chownSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SnapshotDriver, snapshotPoint } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import { missingMethods } from '@gantry/plugin-sdk/extension-point.ts';
import { findMount, mount, mounts, unmountAll } from '@gantry/plugin-sdk/system/mount.ts';
import t, { type Test } from 'tap';
import { loadArchive } from '../../core/images/archive-load.ts';
import { ContentStore } from '../../core/images/content.ts';
import { sha256 } from '../../core/images/digest.ts';
import { LayerExtractor } from '../../core/images/extract/extractor.ts';
import { LayerStore } from '../../core/images/layer-store.ts';
import { ContentLease } from '../../core/images/lease.ts';
import { snapshotOverlay } from '../../drivers/snapshot-overlay/module.ts';
import { kernelDefaults, overlayOptions } from '../../drivers/snapshot-overlay/options.ts';
import { fails } from '../fixtures/fails.ts';
import { makeBusyboxArchive } from '../fixtures/make-busybox-image.ts';

const CALL = { signal: new AbortController().signal };

if (process.getuid?.() !== 0) t.plan(0, 'needs root');

interface Bench {
  readonly root: string;
  readonly driver: SnapshotDriver;
  /** Stops the driver and starts another on the same directory, as after a crash of the daemon. */
  restart(): Promise<SnapshotDriver>;
  /** A committed layer with these files; a null makes a whiteout. */
  layer(seed: string, parents: readonly string[], files: Record<string, string>): Promise<string>;
  target(name: string): string;
}

async function bench(t: Test): Promise<Bench> {
  const root = mkdtempSync(join(tmpdir(), 'gantry-overlay-'));
  let releases: (() => void | Promise<void>)[] = [];
  const stop = async () => {
    for (const release of releases.reverse()) await release();
    releases = [];
  };
  t.teardown(async () => {
    for (const { target } of mounts().filter(({ target }) => target.startsWith(`${root}/`)))
      await unmountAll(target);
    await stop();
    rmSync(root, { recursive: true, force: true });
  });
  const quiet = { debug() {}, info() {}, warn() {}, error() {} };
  const start = () =>
    snapshotOverlay.start({
      log: quiet,
      rootDir: join(root, 'driver'),
      stateDir: join(root, 'state'),
      signal: CALL.signal,
      getByName: () => Promise.reject(new Error('no other driver')),
      defer: (release) => releases.push(release),
    });
  mkdirSync(join(root, 'driver'));
  let driver = await start();
  return {
    root,
    get driver() {
      return driver;
    },
    restart: async () => {
      await stop();
      driver = await start();
      return driver;
    },
    layer: async (seed, parents, files) => {
      const id = sha256(seed);
      const { dir, form } = await driver.prepareLayer({ layers: [...parents, id] }, CALL);
      if (form !== 'overlay') throw new Error(`form is ${form}`);
      for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, name), content);
      await driver.commitLayer({ layers: [...parents, id] }, CALL);
      return id;
    },
    target: (name) => {
      mkdirSync(join(root, name), { recursive: true });
      return join(root, name);
    },
  };
}

t.test('fits the contract', async (t) => {
  const { driver } = await bench(t);
  t.same(missingMethods(snapshotPoint, driver), []);
});

t.test('keeps layers over a restart, and every call may be repeated', async (t) => {
  const { driver, layer, restart, root } = await bench(t);
  const a = await layer('a', [], { one: '1' });
  await driver.commitLayer({ layers: [a] }, CALL);
  await driver.prepareLayer({ layers: [sha256('unfinished')] }, CALL);
  const again = await restart();
  t.same(await again.listLayers({}, CALL), [[a]]);
  t.same(await again.hasLayer({ layers: [a] }, CALL), { present: true });
  t.same(readdirSync(join(root, 'driver/staging')), [], 'an unfinished layer is gone');
  await again.removeLayer({ layers: [a] }, CALL);
  await again.removeLayer({ layers: [a] }, CALL);
  t.same(await again.hasLayer({ layers: [a] }, CALL), { present: false });
  t.same(await (await restart()).listLayers({}, CALL), []);
  await t.rejects(again.commitLayer({ layers: [sha256('never prepared')] }, CALL), fails('NotFound'));
});

t.test('a layer whose link a crash kept from being made is found again', async (t) => {
  const { layer, restart, root } = await bench(t);
  const a = await layer('a', [], { one: '1' });
  for (const name of readdirSync(join(root, 'driver/l')))
    rmSync(join(root, 'driver/l', name), { recursive: true });
  t.same(await (await restart()).listLayers({}, CALL), [[a]]);
});

t.test('stacks layers, and keeps what is written over unmount and restart', async (t) => {
  const { driver, layer, target, restart } = await bench(t);
  const a = await layer('a', [], { shared: 'lower', low: '1' });
  const b = await layer('b', [a], { shared: 'upper' });
  const at = target('merged');
  const snapshot = { key: 'web', layers: [a, b, a], volatile: false };
  await driver.prepare(snapshot, CALL);
  await driver.prepare(snapshot, CALL);
  await t.rejects(driver.prepare({ ...snapshot, layers: [a] }, CALL), fails('AlreadyExists'));
  await driver.mount({ key: 'web', target: at }, CALL);
  await driver.mount({ key: 'web', target: at }, CALL);
  t.equal(mounts().filter((entry) => entry.target === at).length, 1, 'mounted once');
  t.equal(readFileSync(join(at, 'low'), 'utf8'), '1');
  t.equal(readFileSync(join(at, 'shared'), 'utf8'), 'lower', 'the layer that comes twice counts at its top');
  writeFileSync(join(at, 'new'), 'hello');
  rmSync(join(at, 'low'));
  t.same(await driver.usage({ key: 'web' }, CALL), { sizeBytes: 5, inodes: 2 });
  await t.rejects(driver.remove({ key: 'web' }, CALL), fails('Conflict'));

  const again = await restart();
  await again.mount({ key: 'web', target: at }, CALL);
  t.equal(mounts().filter((entry) => entry.target === at).length, 1, 'recognised after a restart');
  await again.unmount({ key: 'web', target: at }, CALL);
  await again.unmount({ key: 'web', target: at }, CALL);
  t.notOk(existsSync(join(at, 'new')));
  await again.mount({ key: 'web', target: at }, CALL);
  t.equal(readFileSync(join(at, 'new'), 'utf8'), 'hello');
  t.notOk(existsSync(join(at, 'low')), 'a removed file stays removed');
  await again.unmount({ key: 'web', target: at }, CALL);
  await again.remove({ key: 'web' }, CALL);
  await again.remove({ key: 'web' }, CALL);
  t.same(await again.list({}, CALL), []);
  await t.rejects(again.mount({ key: 'web', target: at }, CALL), fails('NotFound'));
});

t.test('a volatile snapshot can be mounted again', async (t) => {
  const { driver, target, root } = await bench(t);
  const at = target('merged');
  await driver.prepare({ key: 'tmp', layers: [], volatile: true }, CALL);
  for (const round of [1, 2]) {
    await driver.mount({ key: 'tmp', target: at }, CALL);
    t.equal(findMount(at)?.source, 'gantry/tmp');
    t.ok(
      existsSync(join(root, 'driver/snapshots/tmp/work/work/incompat/volatile')),
      `volatile in round ${round}`,
    );
    writeFileSync(join(at, `file-${round}`), '');
    await driver.unmount({ key: 'tmp', target: at }, CALL);
  }
  await driver.mount({ key: 'tmp', target: at }, CALL);
  t.same(readdirSync(at).sort(), ['file-1', 'file-2']);
  await driver.unmount({ key: 'tmp', target: at }, CALL);
});

t.test('read-only snapshots of no, one and two layers', async (t) => {
  const { driver, layer, target } = await bench(t);
  const a = await layer('a', [], { one: '1' });
  const b = await layer('b', [a], { two: '2' });
  for (const layers of [[], [a], [a, b]]) {
    const key = `ro-${layers.length}`;
    const at = target(key);
    await driver.prepare({ key, layers, volatile: false, readOnly: true }, CALL);
    await driver.mount({ key, target: at }, CALL);
    t.same(readdirSync(at), ['one', 'two'].slice(0, layers.length));
    t.throws(() => writeFileSync(join(at, 'x'), ''), { code: 'EROFS' });
    t.same(await driver.usage({ key }, CALL), { sizeBytes: 0, inodes: 0 });
    await driver.unmount({ key, target: at }, CALL);
  }
});

t.test('128 layers', async (t) => {
  const { driver, layer, target } = await bench(t);
  const layers: string[] = [];
  for (let at = 0; at < 128; at++) layers.push(await layer(`layer ${at}`, layers, { [`file-${at}`]: '' }));
  const at = target('merged');
  const key = 'k'.repeat(64);
  await driver.prepare({ key, layers, volatile: true }, CALL);
  await driver.mount({ key, target: at }, CALL);
  t.equal(readdirSync(at).length, 128);
  await driver.unmount({ key, target: at }, CALL);
  t.throws(
    () => overlayOptions({ lower: Array(500).fill('0123456789'), volatile: false }, ['/proc/self/fd/3'], ''),
    fails('ResourceExhausted'),
  );
});

t.test('the root of a snapshot has the owner and mode of the top layer', async (t) => {
  const { driver, target } = await bench(t);
  const id = sha256('odd root');
  const { dir } = await driver.prepareLayer({ layers: [id] }, CALL);
  chownSync(dir, 12, 34);
  chmodSync(dir, 0o555);
  await driver.commitLayer({ layers: [id] }, CALL);
  const at = target('merged');
  await driver.prepare({ key: 'k', layers: [id], volatile: true }, CALL);
  await driver.mount({ key: 'k', target: at }, CALL);
  const { mode, uid, gid } = statSync(at);
  t.same({ mode: mode & 0o7777, uid, gid }, { mode: 0o555, uid: 12, gid: 34 });
  await driver.unmount({ key: 'k', target: at }, CALL);
});

t.test('what cannot be', async (t) => {
  const { driver, target } = await bench(t);
  const missing = sha256('missing');
  const prepare = (key: string, layers: readonly string[]) =>
    driver.prepare({ key, layers, volatile: true }, CALL);
  await t.rejects(prepare('k', [missing]), fails('NotFound', { details: { layers: [missing] } }));
  await t.rejects(prepare('k', ['../../etc']), fails('InvalidArgument'));
  await t.rejects(prepare('../k', []), fails('InvalidArgument'));
  await t.rejects(driver.mount({ key: 'absent', target: target('x') }, CALL), fails('NotFound'));
  await t.rejects(driver.usage({ key: 'absent' }, CALL), fails('NotFound'));
  await driver.unmount({ key: 'absent', target: target('x') }, CALL);
  await driver.unmount({ key: 'absent', target: '/nonexistent' }, CALL);
  t.type(kernelDefaults('/nonexistent'), 'string');
});

t.test('what is removed is taken apart in the background, and at the next start', async (t) => {
  const { driver, restart, root } = await bench(t);
  await driver.prepare({ key: 'k', layers: [], volatile: true }, CALL);
  writeFileSync(join(root, 'driver/snapshots/k/upper/file'), '');
  await driver.remove({ key: 'k' }, CALL);
  mkdirSync(join(root, 'driver/trash/left-over/deep'), { recursive: true });
  mkdirSync(join(root, 'driver/snapshots/half.new'), { recursive: true });
  await restart();
  await restart();
  t.same(readdirSync(join(root, 'driver/snapshots')), []);
});

t.test('is skipped where overlays do not work', async (t) => {
  const { root, target } = await bench(t);
  const at = target('ramfs');
  mount('none', at, 'ramfs', 0, null);
  await t.rejects(
    snapshotOverlay.start({
      log: { debug() {}, info() {}, warn() {}, error() {} },
      rootDir: at,
      stateDir: root,
      signal: CALL.signal,
      getByName: () => Promise.reject(new Error('no other driver')),
      defer: () => undefined,
    }),
    fails('FailedPrecondition', { code: 'OVERLAY_UNUSABLE' }),
  );
});

t.test('an image from an archive: whiteouts and opaque directories hide what is below', async (t) => {
  const { driver, root, target } = await bench(t);
  const archive = join(root, 'image.tar');
  const directory = { kind: 'directory', mode: 0o755 } as const;
  const { diffIds } = makeBusyboxArchive(archive, {
    tag: 'busybox:test',
    extraLayers: [
      [
        { name: 'etc/.wh.shadow' },
        { name: 'data/', ...directory },
        { name: 'data/old', content: 'old' },
        { name: 'data/sub/', ...directory },
        { name: 'data/sub/older', content: 'older' },
      ],
      [{ name: 'data/', ...directory }, { name: 'data/.wh..wh..opq' }, { name: 'data/new', content: 'new' }],
    ],
  });
  const extractor = new LayerExtractor();
  t.teardown(() => extractor.close());
  const content = await ContentStore.open(join(root, 'content'));
  await using lease = new ContentLease(content, new LayerStore(driver, extractor));
  const [image] = await loadArchive(createReadStream(archive), { lease });
  t.same(
    image?.layers.map(({ diffId }) => diffId),
    diffIds,
  );
  const at = target('merged');
  await driver.prepare({ key: 'bb', layers: diffIds, volatile: true }, CALL);
  await driver.mount({ key: 'bb', target: at }, CALL);
  t.notOk(existsSync(join(at, 'etc/shadow')), 'a whiteout hides the file below');
  t.ok(existsSync(join(at, 'etc/passwd')));
  t.same(readdirSync(join(at, 'data')), ['new'], 'an opaque directory hides all below');
  t.equal(statSync(join(at, 'tmp')).mode & 0o7777, 0o1777);
  t.ok(statSync(join(at, 'bin/sh')).mode & 0o111);
  await driver.unmount({ key: 'bb', target: at }, CALL);
});
