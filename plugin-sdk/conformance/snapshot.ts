/**
 * What every snapshot driver must do, case by case. A case is data: who runs it gives a driver of its own directory, and
 * a case that returns has passed. Needs root, since it makes devices and mounts.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { FileChange, SnapshotDriver } from '../contracts/snapshot.ts';
import { type ErrorKind, isKind } from '../errors.ts';
import { mounts } from '../system/mount.ts';
import { mknod, S_IFCHR, S_IFIFO } from '../system/nodes.ts';
import { lgetxattr, lsetxattr } from '../system/xattr.ts';

export interface SnapshotBench {
  readonly driver: SnapshotDriver;
  /** Stops the driver and starts another on the same directory, as after a crash of the daemon. */
  restart(): Promise<SnapshotDriver>;
  /** An existing, empty directory for a mount. */
  target(name: string): string;
}

export interface SnapshotCase {
  readonly id: string;
  /** Where the contract's page says so. */
  readonly clause: 'docs/contracts/snapshot.md#layers' | 'docs/contracts/snapshot.md#snapshots';
  run(bench: SnapshotBench): Promise<void>;
}

const CALL = { signal: new AbortController().signal };
const LAYERS = 'docs/contracts/snapshot.md#layers';
const SNAPSHOTS = 'docs/contracts/snapshot.md#snapshots';

type Fill = (dir: string) => void;

/** A committed layer on `parents`; answers all diff ids, bottom first. */
async function layer(
  driver: SnapshotDriver,
  seed: string,
  parents: readonly string[],
  fill: Fill,
): Promise<readonly string[]> {
  const layers = [...parents, diffId(seed)];
  const { dir } = await driver.prepareLayer({ layers }, CALL);
  fill(dir);
  await driver.commitLayer({ layers }, CALL);
  return layers;
}

/** Runs `work` in the mounted snapshot of `layers`. */
async function mounted(
  { driver, target }: SnapshotBench,
  key: string,
  layers: readonly string[],
  work: (at: string) => Promise<void> | void,
  readOnly = false,
): Promise<void> {
  const at = target(key);
  await driver.prepare({ key, layers, volatile: false, ...(readOnly && { readOnly }) }, CALL);
  await driver.mount({ key, target: at }, CALL);
  try {
    await work(at);
  } finally {
    await driver.unmount({ key, target: at }, CALL);
  }
}

export const SNAPSHOT_CASES: readonly SnapshotCase[] = [
  {
    id: 'snapshot/layer-staging-is-emptied',
    clause: LAYERS,
    async run({ driver }) {
      const layers = [diffId('a')];
      const first = await driver.prepareLayer({ layers }, CALL);
      writeFileSync(join(first.dir, 'left'), 'by a former try');
      const second = await driver.prepareLayer({ layers }, CALL);
      assert.deepEqual(readdirSync(second.dir), []);
      assert.deepEqual(await driver.hasLayer({ layers }, CALL), { present: false });
    },
  },
  {
    id: 'snapshot/layer-stays-and-goes',
    clause: LAYERS,
    async run(bench) {
      const a = await layer(bench.driver, 'a', [], (dir) => writeFileSync(join(dir, 'one'), '1'));
      await bench.driver.commitLayer({ layers: a }, CALL);
      await bench.driver.prepareLayer({ layers: [diffId('unfinished')] }, CALL);
      const again = await bench.restart();
      assert.deepEqual(await again.hasLayer({ layers: a }, CALL), { present: true });
      const listed = await again.listLayers({}, CALL);
      assert.equal(listed.length, 1, 'the unfinished one is gone, the committed one listed once');
      await again.removeLayer({ layers: listed[0] ?? [] }, CALL);
      await again.removeLayer({ layers: listed[0] ?? [] }, CALL);
      assert.deepEqual(await again.hasLayer({ layers: a }, CALL), { present: false });
      assert.deepEqual(await (await bench.restart()).listLayers({}, CALL), []);
    },
  },
  {
    id: 'snapshot/layer-never-prepared',
    clause: LAYERS,
    async run({ driver }) {
      await fails('NotFound', driver.commitLayer({ layers: [diffId('never')] }, CALL));
      await fails('InvalidArgument', driver.prepareLayer({ layers: ['../../etc'] }, CALL));
    },
  },
  {
    id: 'snapshot/layers-stack',
    clause: LAYERS,
    async run(bench) {
      const a = await layer(bench.driver, 'a', [], (dir) => {
        writeFileSync(join(dir, 'shared'), 'lower');
        writeFileSync(join(dir, 'low'), '1');
        mkdirSync(join(dir, 'dir'));
        writeFileSync(join(dir, 'dir/below'), '');
      });
      const b = await layer(bench.driver, 'b', a, (dir) => {
        writeFileSync(join(dir, 'shared'), 'upper');
        mkdirSync(join(dir, 'dir'), { recursive: true });
        writeFileSync(join(dir, 'dir/above'), '');
      });
      await mounted(bench, 'web', b, (at) => {
        assert.equal(readFileSync(join(at, 'shared'), 'utf8'), 'upper');
        assert.deepEqual(readdirSync(at).sort(), ['dir', 'low', 'shared']);
        assert.deepEqual(readdirSync(join(at, 'dir')).sort(), ['above', 'below']);
      });
      await mounted(bench, 'alone', a, (at) => {
        assert.equal(readFileSync(join(at, 'shared'), 'utf8'), 'lower');
        assert.deepEqual(readdirSync(join(at, 'dir')), ['below']);
      });
    },
  },
  {
    id: 'snapshot/keeps-what-files-are',
    clause: LAYERS,
    async run(bench) {
      const a = await layer(bench.driver, 'a', [], (dir) => {
        writeFileSync(join(dir, 'file'), 'x');
        chownSync(join(dir, 'file'), 12, 34);
        chmodSync(join(dir, 'file'), 0o4751);
        utimesSync(join(dir, 'file'), 1_600_000_000.25, 1_600_000_000.25);
        lsetxattr(join(dir, 'file'), 'user.gantry', Buffer.from('y'));
        linkSync(join(dir, 'file'), join(dir, 'twin'));
        symlinkSync('/no/such', join(dir, 'link'));
        mknod(join(dir, 'null'), S_IFCHR | 0o666, { major: 1, minor: 3 });
        mknod(join(dir, 'fifo'), S_IFIFO | 0o600, { major: 0, minor: 0 });
        chownSync(dir, 5, 6);
        chmodSync(dir, 0o751);
      });
      await mounted(bench, 'k', a, (at) => {
        const { mode, uid, gid, mtimeMs, ino, nlink } = lstatSync(join(at, 'file'));
        assert.deepEqual([mode & 0o7777, uid, gid, mtimeMs], [0o4751, 12, 34, 1_600_000_000_250]);
        assert.deepEqual([lstatSync(join(at, 'twin')).ino, nlink], [ino, 2]);
        assert.equal(lgetxattr(join(at, 'file'), 'user.gantry')?.toString(), 'y');
        assert.equal(readlinkSync(join(at, 'link')), '/no/such');
        assert.equal(lstatSync(join(at, 'null')).rdev, 0x103);
        assert.ok(lstatSync(join(at, 'fifo')).isFIFO());
        const root = statSync(at);
        assert.deepEqual([root.mode & 0o7777, root.uid, root.gid], [0o751, 5, 6]);
      });
    },
  },
  {
    id: 'snapshot/layer-is-never-changed',
    clause: LAYERS,
    async run(bench) {
      const a = await layer(bench.driver, 'a', [], (dir) => writeFileSync(join(dir, 'file'), 'first'));
      await mounted(bench, 'one', a, (at) => writeFileSync(join(at, 'file'), 'second'));
      await mounted(bench, 'two', a, (at) => assert.equal(readFileSync(join(at, 'file'), 'utf8'), 'first'));
    },
  },
  {
    id: 'snapshot/repeated-calls',
    clause: SNAPSHOTS,
    async run({ driver, target }) {
      const a = await layer(driver, 'a', [], (dir) => writeFileSync(join(dir, 'low'), '1'));
      const at = target('merged');
      const snapshot = { key: 'web', layers: a, volatile: false };
      await driver.prepare(snapshot, CALL);
      await driver.prepare(snapshot, CALL);
      await fails('AlreadyExists', driver.prepare({ ...snapshot, layers: [] }, CALL));
      await driver.mount({ key: 'web', target: at }, CALL);
      await driver.mount({ key: 'web', target: at }, CALL);
      assert.equal(mountsAt(at), 1);
      await fails('Conflict', driver.remove({ key: 'web' }, CALL));
      await driver.unmount({ key: 'web', target: at }, CALL);
      await driver.unmount({ key: 'web', target: at }, CALL);
      await driver.remove({ key: 'web' }, CALL);
      await driver.remove({ key: 'web' }, CALL);
      assert.deepEqual(await driver.list({}, CALL), []);
      await driver.prepare({ ...snapshot, layers: [] }, CALL);
      assert.deepEqual(await driver.list({}, CALL), ['web'], 'the key is free at once');
    },
  },
  {
    id: 'snapshot/stays-over-a-restart',
    clause: SNAPSHOTS,
    async run(bench) {
      const a = await layer(bench.driver, 'a', [], (dir) => writeFileSync(join(dir, 'low'), '1'));
      const at = bench.target('merged');
      await bench.driver.prepare({ key: 'web', layers: a, volatile: false }, CALL);
      await bench.driver.mount({ key: 'web', target: at }, CALL);
      writeFileSync(join(at, 'new'), 'hello');
      rmSync(join(at, 'low'));
      const again = await bench.restart();
      await again.mount({ key: 'web', target: at }, CALL);
      assert.equal(mountsAt(at), 1, 'a mount is recognised after a restart');
      await again.unmount({ key: 'web', target: at }, CALL);
      assert.deepEqual(readdirSync(at), []);
      await again.mount({ key: 'web', target: at }, CALL);
      assert.deepEqual(readdirSync(at), ['new']);
      await again.unmount({ key: 'web', target: at }, CALL);
    },
  },
  {
    id: 'snapshot/volatile-mounts-again',
    clause: SNAPSHOTS,
    async run({ driver, target }) {
      const at = target('merged');
      await driver.prepare({ key: 'tmp', layers: [], volatile: true }, CALL);
      for (const round of [1, 2, 3]) {
        await driver.mount({ key: 'tmp', target: at }, CALL);
        assert.equal(readdirSync(at).length, round - 1);
        writeFileSync(join(at, `file-${round}`), '');
        await driver.unmount({ key: 'tmp', target: at }, CALL);
      }
    },
  },
  {
    id: 'snapshot/read-only',
    clause: SNAPSHOTS,
    async run(bench) {
      const a = await layer(bench.driver, 'a', [], (dir) => writeFileSync(join(dir, 'one'), '1'));
      const b = await layer(bench.driver, 'b', a, (dir) => writeFileSync(join(dir, 'two'), '2'));
      for (const layers of [[], a, b]) {
        const key = `ro-${layers.length}`;
        const look = (at: string) => {
          assert.deepEqual(readdirSync(at), ['one', 'two'].slice(0, layers.length));
          assert.throws(() => writeFileSync(join(at, 'x'), ''), { code: 'EROFS' });
        };
        await mounted(bench, key, layers, look, true);
        assert.deepEqual(await bench.driver.usage({ key }, CALL), { sizeBytes: 0, inodes: 0 });
        assert.deepEqual(await bench.driver.changes({ key }, CALL), []);
        await bench.driver.remove({ key }, CALL);
      }
    },
  },
  {
    id: 'snapshot/what-cannot-be',
    clause: SNAPSHOTS,
    async run({ driver, target }) {
      const prepare = (key: string, layers: readonly string[]) =>
        driver.prepare({ key, layers, volatile: true }, CALL);
      await fails('NotFound', prepare('k', [diffId('missing')]));
      await fails('InvalidArgument', prepare('k', ['../../etc']));
      await fails('InvalidArgument', prepare('../k', []));
      await fails('NotFound', driver.mount({ key: 'absent', target: target('x') }, CALL));
      await fails('NotFound', driver.usage({ key: 'absent' }, CALL));
      await fails('NotFound', driver.changes({ key: 'absent' }, CALL));
      await driver.unmount({ key: 'absent', target: target('x') }, CALL);
      await driver.unmount({ key: 'absent', target: '/nonexistent' }, CALL);
      assert.deepEqual(await driver.list({}, CALL), []);
    },
  },
  {
    id: 'snapshot/changes',
    clause: SNAPSHOTS,
    async run(bench) {
      const { driver } = bench;
      const a = await layer(driver, 'a', [], fillForChanges);
      const b = await layer(driver, 'b', a, (dir) => {
        mkdirSync(join(dir, 'etc'), { recursive: true });
        writeFileSync(join(dir, 'etc/upper'), '');
      });
      await mounted(bench, 'k', b, async (at) => {
        assert.deepEqual(await listed(driver, 'k'), [], 'nothing was written yet');
        writeFileSync(join(at, 'etc/passwd'), 'other');
        writeFileSync(join(at, 'made-and-gone'), '');
        rmSync(join(at, 'made-and-gone'));
        mkdirSync(join(at, 'new/deep'), { recursive: true });
        writeFileSync(join(at, 'new/deep/file'), '');
        rmSync(join(at, 'tree'), { recursive: true });
        rmSync(join(at, 'again'), { recursive: true });
        mkdirSync(join(at, 'again'));
        writeFileSync(join(at, 'again/fresh'), '');
        writeFileSync(join(at, 'again/kept'), 'otherwise');
        renameSync(join(at, 'etc/upper'), join(at, 'etc/moved'));
        rmSync(join(at, 'was-dir'), { recursive: true });
        writeFileSync(join(at, 'was-dir'), 'a file now');
        chmodSync(join(at, 'mode'), 0o700);
        writeFileSync(Buffer.from(`${at}/caf\xe9`, 'latin1'), '');
        assert.deepEqual(await listed(driver, 'k'), CHANGES, 'while it is mounted');
      });
      assert.deepEqual(await listed(driver, 'k'), CHANGES, 'while it is not');
      const { sizeBytes } = await driver.usage({ key: 'k' }, CALL);
      assert.equal(sizeBytes, ('other' + 'otherwise' + 'a file now' + 'before').length);
    },
  },
  {
    id: 'snapshot/changes-follow-no-link',
    clause: SNAPSHOTS,
    async run(bench) {
      const a = await layer(bench.driver, 'a', [], (dir) => mkdirSync(join(dir, 'dir')));
      await mounted(bench, 'k', a, async (at) => {
        rmSync(join(at, 'dir'), { recursive: true });
        symlinkSync('/proc', join(at, 'dir'));
        symlinkSync('/', join(at, 'root'));
        assert.deepEqual(await listed(bench.driver, 'k'), ['C /dir', 'A /root']);
      });
    },
  },
];

function fillForChanges(dir: string): void {
  for (const name of ['etc', 'tree/deep', 'again', 'was-dir', 'untouched'])
    mkdirSync(join(dir, name), { recursive: true });
  for (const name of ['etc/passwd', 'tree/deep/file', 'again/old', 'again/kept', 'was-dir/inside', 'mode'])
    writeFileSync(join(dir, name), 'before');
}

const CHANGES = [
  'C /again',
  'A /again/fresh',
  'C /again/kept',
  'D /again/old',
  'A /caf\xe9',
  'C /etc',
  'A /etc/moved',
  'C /etc/passwd',
  'D /etc/upper',
  'C /mode',
  'A /new',
  'A /new/deep',
  'A /new/deep/file',
  'D /tree',
  'C /was-dir',
];

async function listed(driver: SnapshotDriver, key: string): Promise<readonly string[]> {
  const found = await driver.changes({ key }, CALL);
  const byPath = (a: FileChange, b: FileChange) => (a.path < b.path ? -1 : 1);
  return [...found].sort(byPath).map(({ kind, path }) => `${LETTER[kind]} ${path}`);
}

const LETTER = { added: 'A', changed: 'C', deleted: 'D' } as const;

function mountsAt(target: string): number {
  return mounts().filter((entry) => entry.target === target).length;
}

function diffId(seed: string): string {
  return `sha256:${createHash('sha256').update(seed).digest('hex')}`;
}

async function fails(kind: ErrorKind, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => isKind(error, kind) || assert.fail(`not ${kind}: ${error}`));
}
