/** Tar headers there and back, GNU's tar as the other side, and fields that lie. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import {
  encodeHeader,
  type NewTarEntry,
  TAR_END,
  type TarHeader,
} from '../../../../core/archive/tar-header.ts';
import { readTar } from '../../../../core/archive/tar-reader.ts';
import { fails } from '../../../fixtures/fails.ts';

async function read(bytes: Buffer, piece = bytes.length): Promise<(TarHeader & { content: string })[]> {
  const found: (TarHeader & { content: string })[] = [];
  const pieces = async function* () {
    for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
  };
  for await (const { header, body } of readTar(pieces())) {
    let content = '';
    for await (const chunk of body) content += chunk.toString('latin1');
    found.push({ ...header, content });
  }
  return found;
}

const byteName = fc
  .uint8Array({ minLength: 1, maxLength: 300 })
  .map((bytes) => Buffer.from(bytes).toString('latin1').replaceAll(/[\0/]/g, 'x'));

const anyEntry: fc.Arbitrary<NewTarEntry> = fc.record({
  name: byteName,
  kind: fc.constantFrom('symlink' as const, 'file' as const, 'fifo' as const, 'character' as const),
  linkName: byteName,
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 0xfffffffe }),
  gid: fc.integer({ min: 0, max: 0xfffffffe }),
  mtime: fc.oneof(fc.integer({ min: 0, max: 2 ** 33 - 1 }), fc.constant(1.5)),
  device: fc.record({
    major: fc.integer({ min: 0, max: 4095 }),
    minor: fc.integer({ min: 0, max: 0xfffff }),
  }),
  xattrs: fc.uint8Array({ maxLength: 40 }).map((value) => new Map([['user.x', Buffer.from(value)]])),
});

t.test('what is written is read again, however it is cut', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyEntry, { maxLength: 4 }),
      fc.integer({ min: 1, max: 2000 }),
      async (entries, piece) => {
        const found = await read(Buffer.concat([...entries.map(encodeHeader), TAR_END]), piece);
        const plain = (one: NewTarEntry) => ({
          ...one,
          sizeBytes: 0,
          content: '',
          xattrs: [...(one.xattrs ?? [])],
        });
        t.same(found.map(plain), entries.map(plain));
      },
    ),
    { numRuns: 60 },
  );
});

t.test('what GNU tar writes in each of its formats', async (t) => {
  const root = mkdtempSync('/tmp/gantry-tar-');
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const long = `${'d'.repeat(90)}/${'e'.repeat(90)}/${'f'.repeat(120)}`;
  mkdirSync(join(root, long, '..'), { recursive: true });
  writeFileSync(join(root, long), 'content');
  execFileSync('ln', ['-s', 't'.repeat(150), join(root, 'link')]);
  for (const format of ['gnu', 'pax', 'posix']) {
    const bytes = execFileSync('tar', [
      '-C',
      root,
      `--format=${format}`,
      '--owner=:3000000',
      '-cf',
      '-',
      long,
      'link',
    ]);
    const [file, link] = await read(bytes, 1000);
    t.match(file, { name: long, kind: 'file', content: 'content', uid: 3_000_000 }, format);
    t.match(link, { name: 'link', kind: 'symlink', linkName: 't'.repeat(150) }, format);
  }
  writeFileSync(join(root, 'sparse'), '');
  execFileSync('truncate', ['-s', '1M', join(root, 'sparse')]);
  for (const format of ['gnu', 'pax']) {
    const bytes = execFileSync('tar', ['-C', root, `--format=${format}`, '-S', '-cf', '-', 'sparse']);
    await t.rejects(read(bytes), fails('InvalidArgument', { message: /sparse/ }), `sparse, ${format}`);
  }
});

t.test('a reader that leaves bodies alone, and one that leaves', async (t) => {
  const bytes = execFileSync('tar', ['-C', '/etc', '-cf', '-', 'passwd', 'group', 'hosts']);
  let isClosed = false;
  const source = async function* () {
    try {
      for (let at = 0; at < bytes.length; at += 100) yield bytes.subarray(at, at + 100);
    } finally {
      isClosed = true;
    }
  };
  const names: string[] = [];
  for await (const { header } of readTar(source())) names.push(header.name);
  t.same(names, ['passwd', 'group', 'hosts']);
  isClosed = false;
  for await (const _ of readTar(source())) break;
  t.ok(isClosed, 'the source is closed');
});

t.test('fields that lie', async (t) => {
  const base = { name: 'f' };
  const pax = (text: string) => {
    const body = Buffer.from(text);
    const [intro] = [encodeHeader({ name: 'x', sizeBytes: body.length })];
    intro.write('x', 156);
    return Buffer.concat([
      checked(intro),
      body,
      Buffer.alloc(512 - body.length),
      encodeHeader(base),
      TAR_END,
    ]);
  };
  const patched = (at: number, bytes: string | Buffer, flag = '0') => {
    const block = encodeHeader(base);
    block.write(flag, 156);
    Buffer.from(bytes).copy(block, at);
    return Buffer.concat([checked(block), TAR_END]);
  };
  const negative = Buffer.alloc(12, 0xff);
  const table: [name: string, bytes: Buffer][] = [
    ['a size that is no number', patched(124, '9z')],
    ['a negative size', patched(124, negative)],
    ['a size past 2^53', patched(124, Buffer.from('80ffffffffffffffffffffff', 'hex'))],
    ['an unknown type', patched(0, 'f', 'Q')],
    ['a name of 2 MiB', patched(124, '00010000000\0', 'L')],
    ['a PAX record without length', pax('x path=a\n')],
    ['a PAX record past the end', pax('99 path=a\n')],
    ['a PAX record of no length', pax('0 path=a\n')],
    ['a PAX record without a key', pax('6 abc\n')],
    ['a PAX name with a zero byte', pax('12 path=a\0b\n')],
    ['a PAX size that is no number', pax('12 size=abc\n')],
    ['a negative PAX size', pax('11 size=-1\n')],
    ['a PAX size with a fraction', pax('12 size=1.5\n')],
  ];
  for (const [name, bytes] of table) await t.rejects(read(bytes), fails('InvalidArgument'), name);
});

/** The block with its checksum made right. */
function checked(block: Buffer): Buffer {
  block.write('        ', 148);
  const sum = block.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
