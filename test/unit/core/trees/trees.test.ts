/** Trees as tars and back, without a container: the same code on a plain directory, as any user that may read it. */
import {
  closeSync,
  constants,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { goMode, pathStatHeader } from '../../../../core/api/views/path-stat.ts';
import { readTar } from '../../../../core/archive/tar-reader.ts';
import { TarWriter } from '../../../../core/archive/tar-writer.ts';
import { chunksOf } from '../../../../core/trees/chunks.ts';
import { writeLayer } from '../../../../core/trees/layer-tar.ts';
import { askedPath, baseName, followedPath, pathStat } from '../../../../core/trees/path-stat.ts';
import { TreeReader } from '../../../../core/trees/read-tree.ts';
import { WriteTree } from '../../../../core/trees/write-tree.ts';
import { fails } from '../../../fixtures/fails.ts';
import { type TarSpec, tar } from '../../../fixtures/tar.ts';

const RULES = { readOnlyRoot: false, mounts: [] };
const { uid = 0, gid = 0 } = { uid: process.getuid?.(), gid: process.getgid?.() };

function opened(t: Test, dir: string): number {
  const descriptor = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  t.teardown(() => closeSync(descriptor));
  return descriptor;
}

/** Everything that `work` writes, in one piece. */
async function written(work: (tar: TarWriter, reader: TreeReader) => Promise<void>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of chunksOf(async (put) => {
    const writer = new TarWriter(put);
    await work(writer, new TreeReader(writer, () => {}));
    await writer.end();
  }))
    chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function listed(bytes: Buffer): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { header } of readTar(only(bytes))) names.push(`${header.kind} ${header.name}`);
  return names;
}

async function* only(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

async function unpack(root: number, path: string, entries: readonly TarSpec[], keepKinds = false) {
  const owner = { uid, gid };
  const tree = new WriteTree(root, path, { rules: RULES, keepKinds, owner, check: () => {} });
  await tree.unpack(readTar(only(tar(entries))));
}

t.test('content of any length, long names, names that are no UTF-8', async (t) => {
  const sizes = [0, 1, 511, 512, 513, 256 * 1024 - 512, 256 * 1024, 1_000_000];
  const bytes = await written(async (writer) => {
    for (const size of sizes) {
      await writer.entry({ name: `${'x'.repeat(200)}/caf\xe9-${size}`, sizeBytes: size });
      await writer.content(Buffer.alloc(size, 'y'));
    }
  });
  t.equal(bytes.length % 512, 0);
  const found: number[] = [];
  for await (const { header, body } of readTar(only(bytes))) {
    const pieces: Buffer[] = [];
    for await (const piece of body) pieces.push(piece);
    const content = Buffer.concat(pieces);
    t.equal(header.name, `${'x'.repeat(200)}/caf\xe9-${content.length}`);
    t.ok(content.every((byte) => byte === 0x79));
    found.push(content.length);
  }
  t.same(found, sizes);
  const cut = written(async (writer) => {
    await writer.entry({ name: 'a', sizeBytes: 5 });
    await writer.entry({ name: 'b' });
  });
  await t.rejects(cut, /5 bytes of an entry are missing/);
});

t.test('a tree there and back', async (t) => {
  const dir = t.testdir({ from: { a: 'one', deep: { er: { b: 'two' } }, empty: {} }, to: {} });
  linkSync(join(dir, 'from/a'), join(dir, 'from/twin'));
  symlinkSync('/nowhere', join(dir, 'from/link'));
  writeFileSync(join(dir, 'from/sparse'), Buffer.concat([Buffer.alloc(1 << 20), Buffer.from('end')]));
  const from = opened(t, join(dir, 'from'));
  const bytes = await written((_, reader) => reader.whole(from, 'top/'));
  t.same(await listed(bytes), [
    'directory top/',
    'file top/a',
    'directory top/deep/',
    'directory top/deep/er/',
    'file top/deep/er/b',
    'directory top/empty/',
    'symlink top/link',
    'file top/sparse',
    'hardlink top/twin',
  ]);
  const to = new WriteTree(opened(t, dir), '/to', {
    rules: RULES,
    keepKinds: false,
    owner: { uid, gid },
    check() {},
  });
  await to.unpack(readTar(only(bytes)));
  t.equal(readFileSync(join(dir, 'to/top/deep/er/b'), 'utf8'), 'two');
  t.equal(statSync(join(dir, 'to/top/twin')).ino, statSync(join(dir, 'to/top/a')).ino);
  t.same(readFileSync(join(dir, 'to/top/sparse')), readFileSync(join(dir, 'from/sparse')));
  t.ok(statSync(join(dir, 'to/top/sparse')).blocks < 100, 'a run of zeros is a hole');
});

t.test('archives in: what is refused, replaced and kept', async (t) => {
  const dir = t.testdir({ root: { dir: { file: 'old' }, other: {} }, outside: {} });
  const root = opened(t, join(dir, 'root'));
  symlinkSync(join(dir, 'outside'), join(dir, 'root/out'));
  symlinkSync('/other', join(dir, 'root/inside'));
  await unpack(root, '/', [{ name: 'inside/made', content: 'x' }]);
  t.same(readdirSync(join(dir, 'root/other')), ['made'], 'an absolute link means the root');
  await unpack(root, '/', [{ name: 'out/made', content: 'x' }]).catch(() => {});
  t.same(readdirSync(join(dir, 'outside')), []);
  await t.rejects(
    unpack(root, '/', [{ name: '../made' }]),
    fails('InvalidArgument', { code: 'ARCHIVE_NAME' }),
  );
  await t.rejects(unpack(root, '/dir/file', []), fails('InvalidArgument', { code: 'NOT_A_DIRECTORY' }));
  await t.rejects(
    unpack(root, '/', [{ name: 'dir', content: '' }], true),
    fails('InvalidArgument', { code: 'ARCHIVE_OTHER_KIND' }),
  );
  await unpack(root, '/dir', [
    { name: './', kind: 'directory' },
    { name: 'file', content: 'new' },
  ]);
  t.equal(readFileSync(join(dir, 'root/dir/file'), 'utf8'), 'new');
  await unpack(root, '/', [{ name: 'dir', content: 'a file now' }]);
  t.equal(readFileSync(join(dir, 'root/dir'), 'utf8'), 'a file now');
  const rules = { readOnlyRoot: true, mounts: [{ target: '/other', readOnly: false }] };
  const options = { rules, keepKinds: false, owner: undefined, check() {} };
  const at = (path: string) => new WriteTree(opened(t, '/'), path, options);
  t.throws(() => at('/tmp'), fails('PermissionDenied', { code: 'READ_ONLY' }));
});

t.test('a layer has what was changed, and the directories that lead to it', async (t) => {
  const dir = t.testdir({ etc: { passwd: 'x', deep: { new: 'y' } }, tmp: { f: 'z' } });
  const bytes = await written((writer, reader) =>
    writeLayer(
      opened(t, dir),
      [
        { path: '/tmp/gone', kind: 'deleted' },
        { path: '/etc/deep/new', kind: 'added' },
        { path: '/etc/passwd', kind: 'changed' },
        { path: '/vanished', kind: 'added' },
      ],
      writer,
      reader,
    ),
  );
  t.same(await listed(bytes), [
    'directory etc/',
    'directory etc/deep/',
    'file etc/deep/new',
    'file etc/passwd',
    'directory tmp/',
    'file tmp/.wh.gone',
  ]);
});

t.test('paths as Docker reads them', async (t) => {
  const rows = [
    ['etc/passwd', '/etc/passwd', 'passwd'],
    ['/etc/', '/etc/', 'etc'],
    ['/etc/.', '/etc/.', '.'],
    ['/', '/', '/'],
    ['/.', '/.', '.'],
    ['/a/../b//c', '/b/c', 'c'],
    ['../..', '/', '/'],
  ] as const;
  for (const [path, asked, base] of rows)
    t.same([askedPath(path), baseName(askedPath(path))], [asked, base], path);
  const dir = t.testdir({ bin: { sh: '' } });
  symlinkSync('bin', join(dir, 'sbin'));
  symlinkSync('/sbin/absent', join(dir, 'broken'));
  symlinkSync('loop', join(dir, 'loop'));
  mkdirSync(join(dir, 'sub'));
  const root = opened(t, dir);
  t.equal(followedPath(root, '/sbin/sh'), '/bin/sh');
  t.match(pathStat(root, '/broken'), { linkTarget: '/bin/absent' });
  t.throws(() => pathStat(root, '/broken/'), { code: 'ENOENT' });
  t.throws(() => pathStat(root, '/bin/sh/'), { code: 'ENOTDIR' });
  t.equal(followedPath(root, '/../../sub'), '/sub');
  t.type(followedPath(root, '/loop'), 'string');
});

t.test("modes with Go's bits", async (t) => {
  t.equal(goMode(0o100644), 0o644);
  t.equal(goMode(0o041777), 2147483648 + 1048576 + 0o777);
  t.equal(goMode(0o104755), 8388608 + 0o755);
  t.equal(goMode(0o020666), 69206016 + 0o666);
  const stat = {
    name: 'caf\xc3\xa9',
    sizeBytes: 3,
    mode: 0o100644,
    mtimeNs: 1_700_000_000_500_000_000n,
    linkTarget: '',
  };
  t.same(JSON.parse(Buffer.from(pathStatHeader(stat), 'base64').toString()), {
    name: 'café',
    size: 3,
    mode: 420,
    mtime: '2023-11-14T22:13:20.5Z',
    linkTarget: '',
  });
});
