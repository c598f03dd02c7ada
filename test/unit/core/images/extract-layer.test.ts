/** Layers into directories: what every kind of entry becomes, and what a hostile one cannot do. Needs root. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { LayerForm } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import { lgetxattr } from '@gantry/plugin-sdk/system/xattr.ts';
import t, { type Test } from 'tap';
import { encodeHeader, TAR_END } from '../../../../core/archive/tar-header.ts';
import { readTar } from '../../../../core/archive/tar-reader.ts';
import { extractLayer } from '../../../../core/images/extract/extract-layer.ts';
import { fails } from '../../../fixtures/fails.ts';
import { type TarSpec, tar } from '../../../fixtures/tar.ts';

const DIRECTORY = { kind: 'directory', mode: 0o755 } as const;

/** A directory `layer` to unpack into, beside an `outside` that must stay as it is. */
function scene(t: Test): { layer: string; outside: string; snapshot: () => object } {
  const root = mkdtempSync('/tmp/gantry-extract-');
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const layer = join(root, 'layer');
  const outside = join(root, 'outside');
  mkdirSync(layer);
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret'), 'untouched');
  utimesSync(outside, 1, 1);
  const snapshot = () => ({
    names: readdirSync(root).sort(),
    outside: readdirSync(outside),
    secret: readFileSync(join(outside, 'secret'), 'utf8'),
    ...Object.fromEntries(
      ['mode', 'uid', 'mtimeMs', 'nlink'].map((key) => [
        key,
        [outside, join(outside, 'secret')].map((path) => Reflect.get(lstatSync(path), key)),
      ]),
    ),
  });
  return { layer, outside, snapshot };
}

async function unpack(dir: string, layer: readonly TarSpec[] | Buffer, form: LayerForm = 'overlay') {
  const bytes = Buffer.isBuffer(layer) ? layer : tar(layer);
  await extractLayer(readTar(chunks(bytes)), { dir, form });
}

/** In odd pieces, so that headers and bodies span chunks. */
async function* chunks(bytes: Buffer) {
  for (let at = 0; at < bytes.length; at += 700) yield bytes.subarray(at, at + 700);
}

t.test('every kind of entry, with its metadata', async (t) => {
  const { layer } = scene(t);
  const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
  const long = `${'d'.repeat(120)}/${'f'.repeat(200)}`;
  await unpack(layer, [
    { name: './', ...DIRECTORY, mode: 0o751, uid: 7 },
    { name: 'implicit/file', content: 'x', mode: 0o4755, uid: 1000, gid: 1001, mtime: 1_600_000_000.25 },
    { name: 'dir/', ...DIRECTORY, mode: 0o2770, mtime: 1_500_000_000 },
    { name: 'dir/later', content: '' },
    { name: 'hard', kind: 'hardlink', linkName: 'implicit/file' },
    { name: 'soft', kind: 'symlink', linkName: '../../anywhere', uid: 5 },
    { name: 'null', kind: 'character', mode: 0o666, device: { major: 1, minor: 3 } },
    { name: 'disk', kind: 'block', mode: 0o660, device: { major: 259, minor: 70_000 } },
    { name: 'pipe', kind: 'fifo', mode: 0o600 },
    { name: 'capable', content: 'c', uid: 3, xattrs: new Map([['security.capability', capability]]) },
    { name: 'marked', content: '', xattrs: new Map([['trusted.overlay.redirect', Buffer.from('/x')]]) },
    { name: long, content: 'long' },
    { name: 'ünïcode', content: 'u' },
    { name: 'big', content: Buffer.alloc(100_000, 'b') },
  ]);
  const stat = (name: string) => lstatSync(join(layer, name));
  t.match(stat('.'), { mode: 0o40751, uid: 7 });
  t.match(stat('implicit'), { mode: 0o40755, uid: 0 });
  t.match(stat('implicit/file'), {
    mode: 0o104755,
    uid: 1000,
    gid: 1001,
    nlink: 2,
    mtimeMs: 1_600_000_000_250,
  });
  t.match(stat('dir'), { mode: 0o42770, mtimeMs: 1_500_000_000_000 }, 'set after what is in it');
  t.equal(stat('hard').ino, stat('implicit/file').ino);
  t.equal(readlinkSync(join(layer, 'soft')), '../../anywhere');
  t.match(stat('soft'), { uid: 5, mtimeMs: 1_700_000_000_000 });
  t.ok(stat('null').isCharacterDevice());
  t.equal(stat('null').rdev, 0x103);
  t.ok(stat('disk').isBlockDevice());
  t.equal(stat('disk').rdev, (70_000 & 0xff) | (259 << 8) | ((70_000 & 0xfff00) << 12));
  t.ok(stat('pipe').isFIFO());
  t.same(lgetxattr(join(layer, 'capable'), 'security.capability'), capability);
  t.equal(lgetxattr(join(layer, 'marked'), 'trusted.overlay.redirect'), undefined);
  t.equal(readFileSync(join(layer, long), 'utf8'), 'long');
  t.equal(readFileSync(join(layer, 'ünïcode'), 'utf8'), 'u');
  t.equal(stat('big').size, 100_000);
});

t.test('names that are no UTF-8 stay as they are', async (t) => {
  const { layer } = scene(t);
  const names = ['\xff', '\xfe'];
  await unpack(layer, Buffer.concat([...names.map((name) => encodeHeader({ name })), TAR_END]));
  t.same(readdirSync(layer, 'latin1').sort(), names.sort());
});

t.test('a later entry takes the place of an earlier one', async (t) => {
  const { layer } = scene(t);
  await unpack(layer, [
    { name: 'a', content: 'file' },
    { name: 'a/', ...DIRECTORY },
    { name: 'a/b', content: 'in' },
    { name: 'c/', ...DIRECTORY, mode: 0o700 },
    { name: 'c/kept', content: '' },
    { name: 'c/', ...DIRECTORY, mode: 0o711 },
    { name: 'd/', ...DIRECTORY },
    { name: 'd/gone', content: '' },
    { name: 'd', kind: 'symlink', linkName: 'c' },
    { name: 'e', content: 'long content' },
    { name: 'e', content: 'new' },
    { name: 'f', content: 'f' },
    { name: 'f', kind: 'hardlink', linkName: 'e' },
    { name: 'f', kind: 'hardlink', linkName: 'f' },
  ]);
  t.equal(readFileSync(join(layer, 'a/b'), 'utf8'), 'in');
  t.same(readdirSync(join(layer, 'c')), ['kept']);
  t.equal(statSync(join(layer, 'c')).mode & 0o777, 0o711);
  t.equal(readlinkSync(join(layer, 'd')), 'c');
  t.equal(readFileSync(join(layer, 'f'), 'utf8'), 'new');
});

t.test('a path through a link is resolved inside the layer', async (t) => {
  const { layer } = scene(t);
  await unpack(layer, [
    { name: 'usr/bin/', ...DIRECTORY },
    { name: 'bin', kind: 'symlink', linkName: 'usr/bin' },
    { name: 'abs', kind: 'symlink', linkName: '/usr' },
    { name: 'up', kind: 'symlink', linkName: '../../../../usr/./bin/..' },
    { name: 'bin/one', content: '1' },
    { name: 'abs/two', content: '2' },
    { name: 'up/three', content: '3' },
    { name: '/rooted', content: '4' },
    { name: 'x/../dotted', content: '5' },
  ]);
  t.same(readdirSync(join(layer, 'usr')).sort(), ['bin', 'three', 'two']);
  t.same(readdirSync(join(layer, 'usr/bin')), ['one']);
  t.same(readdirSync(layer).sort(), ['abs', 'bin', 'dotted', 'rooted', 'up', 'usr']);
});

interface Attack {
  readonly name: string;
  readonly layer: (outside: string) => readonly TarSpec[];
  /** What it is refused with; absent when it is harmless and taken. */
  readonly refused?: RegExp;
  readonly form?: LayerForm;
}

const link = (name: string, linkName: string): TarSpec => ({ name, kind: 'symlink', linkName });
const hard = (name: string, linkName: string): TarSpec => ({ name, kind: 'hardlink', linkName });

const ATTACKS: readonly Attack[] = [
  { name: 'dots in front', layer: () => [{ name: '../evil', content: 'x' }], refused: /leads out/ },
  { name: 'dots inside', layer: () => [{ name: 'a/../../evil', content: 'x' }], refused: /leads out/ },
  { name: 'only dots', layer: () => [{ name: '..', ...DIRECTORY, mode: 0o777 }], refused: /leads out/ },
  { name: 'an absolute name', layer: (outside) => [{ name: `${outside}/evil`, content: 'x' }] },
  {
    name: 'through an absolute link',
    layer: (outside) => [link('l', outside), { name: 'l/secret', content: 'x' }],
  },
  {
    name: 'through a relative link',
    layer: () => [link('l', '../outside'), { name: 'l/secret', content: 'x' }],
  },
  {
    name: 'through links to links',
    layer: (outside) => [link('a', 'b'), link('b', outside), { name: 'a/secret', content: 'x' }],
  },
  {
    name: 'over a link to a file',
    layer: (outside) => [link('l', `${outside}/secret`), { name: 'l', content: 'x' }],
  },
  {
    name: 'a directory over a link',
    layer: (outside) => [link('l', outside), { name: 'l/', ...DIRECTORY, mode: 0o777, uid: 9 }],
  },
  {
    name: 'a directory that becomes a link before its time is set',
    layer: (outside) => [{ name: 'd/', ...DIRECTORY, mtime: 5 }, link('d', outside)],
  },
  {
    name: 'a parent that becomes a link before a time is set',
    layer: () => [{ name: 'd/outside/', ...DIRECTORY, mtime: 5 }, link('d', '..')],
  },
  {
    name: 'a known parent that becomes a link',
    layer: (outside) => [
      { name: 'd/a', content: '' },
      link('d', outside),
      { name: 'd/secret', content: 'x' },
    ],
  },
  { name: 'a hard link out by dots', layer: () => [hard('h', '../outside/secret')], refused: /leads out/ },
  {
    name: 'a hard link out by an absolute name',
    layer: (outside) => [hard('h', `${outside}/secret`)],
    refused: /absent/,
  },
  {
    name: 'a hard link through a link',
    layer: (outside) => [link('l', outside), hard('h', 'l/secret')],
    refused: /absent/,
  },
  {
    name: 'writing through a hard link to a link',
    layer: (outside) => [
      link('l', `${outside}/secret`),
      hard('h', 'l'),
      { name: 'h', content: 'x', mode: 0o777 },
    ],
  },
  {
    name: 'a hard link to a directory',
    layer: () => [{ name: 'd/', ...DIRECTORY }, hard('h', 'd')],
    refused: /names the directory/,
  },
  { name: 'a hard link to the root', layer: () => [hard('h', '/')], refused: /absent/ },
  {
    name: 'links in a circle',
    layer: () => [link('a', 'b'), link('b', 'a'), { name: 'a/x', content: '' }],
    refused: /too many/,
  },
  {
    name: 'a file as a parent',
    layer: () => [
      { name: 'f', content: '' },
      { name: 'f/x', content: '' },
    ],
    refused: /not a directory/,
  },
  {
    name: 'a device as the way out',
    layer: () => [
      { name: 'n', kind: 'character', device: { major: 1, minor: 3 } },
      { name: 'n/x', content: '' },
    ],
    refused: /not a directory/,
  },
  { name: 'a link as the root', layer: (outside) => [link('./', outside)], refused: /root of a layer/ },
  { name: 'a file as the root', layer: () => [{ name: '.', content: 'x' }], refused: /root of a layer/ },
  { name: 'a whiteout of the parent', layer: () => [{ name: '.wh...' }], refused: /must name a file/ },
  { name: 'a whiteout of the root', layer: () => [{ name: '.wh..' }], refused: /must name a file/ },
  { name: 'a whiteout of nothing', layer: () => [{ name: '.wh.' }], refused: /must name a file/ },
  { name: 'a whiteout through a link', layer: (outside) => [link('l', outside), { name: 'l/.wh.secret' }] },
  {
    name: 'a whiteout through a link, applied',
    layer: (outside) => [link('l', outside), { name: 'l/.wh.secret' }],
    form: 'apply',
  },
  {
    name: 'an opaque mark through a link, applied',
    layer: (outside) => [link('l', outside), { name: 'l/.wh..wh..opq' }],
    form: 'apply',
  },
  {
    name: 'a whiteout of a link, applied',
    layer: (outside) => [link('l', outside), { name: '.wh.l' }],
    form: 'apply',
  },
  { name: 'a name too long', layer: () => [{ name: 'n'.repeat(300), content: '' }], refused: /ENAMETOOLONG/ },
  { name: 'an owner past 32 bits', layer: () => [{ name: 'f', uid: 2 ** 40 }], refused: /owner/ },
  { name: 'a link without a target', layer: () => [link('l', '')], refused: /no target/ },
];

t.test('nothing outside changes', async (t) => {
  for (const { name, layer: build, refused, form } of ATTACKS) {
    await t.test(name, async (t) => {
      const { layer, outside, snapshot } = scene(t);
      const before = snapshot();
      const unpacked = unpack(layer, build(outside), form);
      if (refused) await t.rejects(unpacked, { message: refused });
      else await t.resolves(unpacked);
      t.same(snapshot(), before);
    });
  }
});

t.test('a layer that finds a link out of the parents content', async (t) => {
  const { layer, outside, snapshot } = scene(t);
  symlinkSync(outside, join(layer, 'below'));
  const before = snapshot();
  await unpack(layer, [{ name: 'below/secret', content: 'x' }, { name: 'below/.wh.secret' }], 'apply');
  t.same(snapshot(), before);
});

t.test('whiteouts for overlay', async (t) => {
  const { layer } = scene(t);
  await unpack(layer, [
    { name: 'etc/.wh.gone' },
    { name: 'opaque/.wh..wh..opq' },
    { name: 'opaque/own', content: '' },
    { name: '.wh.back' },
    { name: 'back/', ...DIRECTORY },
    { name: 'kept', content: 'own' },
    { name: '.wh.kept' },
    { name: 'both/', ...DIRECTORY },
    { name: 'both/own', content: '' },
    { name: '.wh.both' },
    { name: '.wh..wh.plnk/1.2', content: '' },
    { name: '.wh..wh..opq' },
  ]);
  const gone = lstatSync(join(layer, 'etc/gone'));
  t.ok(gone.isCharacterDevice() && gone.rdev === 0);
  const opaque = (name: string) => lgetxattr(join(layer, name), 'trusted.overlay.opaque')?.toString();
  t.equal(opaque('opaque'), 'y');
  t.equal(opaque('back'), 'y', 'a directory in place of what was below hides it');
  t.equal(opaque('both'), 'y', 'so does one that is named before its whiteout');
  t.ok(existsSync(join(layer, 'both/own')));
  t.equal(readFileSync(join(layer, 'kept'), 'utf8'), 'own');
  t.same(readdirSync(layer).sort(), ['back', 'both', 'etc', 'kept', 'opaque']);
});

t.test('whiteouts applied', async (t) => {
  const { layer } = scene(t);
  await unpack(layer, [
    ...['gone', 'opaque/old', 'opaque/sub/older', 'dir/deep/old', 'mixed/old'].map((name) => ({
      name,
      content: 'old',
    })),
  ]);
  await unpack(
    layer,
    [
      { name: '.wh.gone' },
      { name: '.wh.dir' },
      { name: '.wh.never' },
      { name: 'opaque/new', content: 'new' },
      { name: 'opaque/.wh..wh..opq' },
      { name: 'opaque/newer', content: 'new' },
      { name: 'mixed/new', content: 'new' },
      { name: '.wh.mixed' },
    ],
    'apply',
  );
  t.same(readdirSync(layer).sort(), ['mixed', 'opaque']);
  t.same(readdirSync(join(layer, 'opaque')).sort(), ['new', 'newer']);
  t.same(readdirSync(join(layer, 'mixed')), ['new']);
});

t.test('a layer that is cut short or damaged', async (t) => {
  const good = tar([{ name: 'file', content: 'x'.repeat(2000) }]);
  const damaged = Buffer.from(good);
  damaged[0] = 0x41;
  const table = [
    { name: 'in a header', bytes: good.subarray(0, 300), code: 'ARCHIVE_TRUNCATED' },
    { name: 'in a body', bytes: good.subarray(0, 1000), code: 'ARCHIVE_TRUNCATED' },
    { name: 'in the padding', bytes: good.subarray(0, 512 + 2010), code: 'ARCHIVE_TRUNCATED' },
    { name: 'a wrong checksum', bytes: damaged, code: 'TAR_INVALID' },
    { name: 'no tar', bytes: Buffer.from('PK'.repeat(600)), code: 'TAR_INVALID' },
  ];
  for (const { name, bytes, code } of table) {
    const { layer } = scene(t);
    await t.rejects(unpack(layer, bytes), fails('InvalidArgument', { code }), name);
  }
  const { layer } = scene(t);
  await t.resolves(
    unpack(layer, good.subarray(0, good.length - 1024)),
    'an archive without its end mark is taken',
  );
});
