/** The formats of logs: Docker's JSON lines, its protobuf frames, CRI, tags and attributes. */
import fc from 'fast-check';
import t from 'tap';
import type { LogEntry, LogInfo } from '../../../../plugin-sdk/contracts/log.ts';
import { detailsText, logAttributes, renderTag } from '../../../../plugin-sdk/logs/attributes.ts';
import { encodeCriLines, entryTime, parseEntries } from '../../../../plugin-sdk/logs/cri.ts';
import {
  EntryDecoder,
  encodeEntries,
  nanosOf,
  timeOfNanos,
} from '../../../../plugin-sdk/logs/entry-frames.ts';
import { attributesJson, encodeJsonLines, parseJsonLines } from '../../../../plugin-sdk/logs/json-file.ts';

const TIME = '2026-11-24T22:41:00.433446407Z';
const NONE = Buffer.alloc(0);

function stdout(line: Uint8Array | string, time = TIME): LogEntry {
  return { source: 'stdout', time, line: Buffer.from(line) };
}

/** Every byte but the newline, one after another, as dockerd 20.10.24 wrote it. */
const EVERY_BYTE =
  '\\u0000\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\u0008\\u0009\\u000b\\u000c\\r\\u000e\\u000f\\u0010\\u0011' +
  '\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c\\u001d\\u001e\\u001f !\\"#$%\\u0026\'()*+,-./' +
  '0123456789:;\\u003c=\\u003e?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\\\]^_`abcdefghijklmnopqrstuvwxyz{|}~\x7f' +
  '\\ufffd'.repeat(128);

t.test('a line of json-file is what dockerd writes', async (t) => {
  const line = (entry: LogEntry, attributes: Record<string, string> = {}) =>
    encodeJsonLines([entry], attributesJson(attributes)).bytes.toString('utf8');
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => byte !== 10);
  t.equal(line(stdout(bytes)), `{"log":"${EVERY_BYTE}\\n","stream":"stdout","time":"${TIME}"}\n`);
  const raw = Buffer.concat([
    Buffer.from('x\u2028\u2029yé😀 '),
    Buffer.from([0xed, 0xa0, 0x80, 0x20, 0xc0, 0x80, 0x20, 0xe2, 0x82, 0x7a]),
  ]);
  t.match(line(stdout(raw)), '"x\\u2028\\u2029yé😀 \\ufffd\\ufffd\\ufffd \\ufffd\\ufffd \\ufffd\\ufffdz\\n"');
  t.match(
    line(stdout(''), { E1: 'x', 'l<1': 'v"&' }),
    '"stream":"stdout","attrs":{"E1":"x","l\\u003c1":"v\\"\\u0026"},"time":',
  );
  const piece = { ...stdout('half'), partial: { id: 'a', ordinal: 1, last: false } };
  t.match(line(piece), '{"log":"half","stream"');
  t.match(line({ ...piece, partial: { id: 'a', ordinal: 2, last: true } }), '{"log":"half\\n","stream"');
});

t.test('times of json-file have no zeros at their end, and are read with nine digits', async (t) => {
  const rows = [
    ['2026-01-02T03:04:05.120000000Z', '2026-01-02T03:04:05.12Z'],
    ['2026-01-02T03:04:05.000000000Z', '2026-01-02T03:04:05Z'],
    ['2026-01-02T03:04:00.000000001Z', '2026-01-02T03:04:00.000000001Z'],
  ] as const;
  for (const [time, written] of rows) {
    const { bytes } = encodeJsonLines([stdout('x', time)], NONE);
    t.match(bytes.toString(), `"time":"${written}"}`);
    t.same(parseJsonLines(bytes).entries.map(entryTime), [time]);
  }
});

const anyLine = fc.oneof(
  fc.uint8Array({ maxLength: 60 }),
  fc.string().map((text) => Buffer.from(text)),
);
const anyEntry: fc.Arbitrary<LogEntry> = fc
  .record({
    source: fc.constantFrom<LogEntry['source']>('stdout', 'stderr'),
    nanos: fc.bigInt({ min: 0n, max: 4_000_000_000_000_000_000n }),
    line: anyLine.map((line) => Buffer.from(line.filter((byte) => byte !== 10))),
    partial: fc.option(
      fc.record({
        id: fc.constantFrom('', 'a1', 'f0f0'),
        ordinal: fc.integer({ min: 1, max: 9999 }),
        last: fc.boolean(),
      }),
    ),
  })
  .map(({ source, nanos, line, partial }) => ({
    source,
    time: timeOfNanos(nanos),
    line,
    ...(partial && { partial }),
  }));

t.test('what was framed as protobuf comes back, cut anywhere', async (t) => {
  fc.assert(
    fc.property(fc.array(anyEntry), fc.integer({ min: 1, max: 50 }), (entries, size) => {
      const { bytes, ends } = encodeEntries(entries);
      const decoder = new EntryDecoder();
      const back: LogEntry[] = [];
      for (let at = 0; at < bytes.length; at += size)
        back.push(...decoder.push(bytes.subarray(at, at + size)));
      return decoder.pending === 0 && (ends.at(-1) ?? 0) === bytes.length && equal(back, entries);
    }),
  );
  t.pass();
});

function equal(some: readonly LogEntry[], others: readonly LogEntry[]): boolean {
  const text = (entries: readonly LogEntry[]) =>
    JSON.stringify(entries.map((entry) => ({ ...entry, line: Buffer.from(entry.line).toString('hex') })));
  return text(some) === text(others);
}

t.test('a frame is what Docker sends', async (t) => {
  const entry: LogEntry = { ...stdout('hi'), partial: { id: 'ab', ordinal: 2, last: true } };
  const { bytes } = encodeEntries([entry]);
  const fields = [
    '0a067374646f7574',
    varintHex(nanosOf(TIME)),
    '1a026869',
    '2001',
    '2a080801',
    '12026162',
    '1802',
  ];
  const message = fields.join('');
  t.equal(bytes.toString('hex'), (message.length / 2).toString(16).padStart(8, '0') + message);
  t.throws(() => new EntryDecoder().push(Buffer.from('ffffffff00', 'hex')), RangeError);
  t.throws(() => new EntryDecoder().push(Buffer.from('000000020a09', 'hex')), RangeError);
  const unknown = Buffer.from('000000053201781a00', 'hex');
  t.equal(new EntryDecoder().push(unknown)[0]?.line.length, 0, 'unknown fields are passed over');
});

function varintHex(value: bigint): string {
  const bytes = [0x10];
  for (let left = value; ; left >>= 7n) {
    bytes.push(Number(left & 0x7fn) | (left > 0x7fn ? 0x80 : 0));
    if (left <= 0x7fn) return Buffer.from(bytes).toString('hex');
  }
}

t.test('json lines and CRI give back what was written', async (t) => {
  const text = (entry: LogEntry) =>
    Buffer.concat([entry.line, Buffer.from(entry.partial && !entry.partial.last ? '' : '\n')]);
  const asUtf8 = (bytes: Buffer) => Buffer.from(goText(bytes));
  fc.assert(
    fc.property(fc.array(anyEntry), (entries) => {
      const json = parseJsonLines(encodeJsonLines(entries, attributesJson({ tag: 'a"}\n' })).bytes);
      const cri = parseEntries(encodeCriLines(entries).bytes);
      return entries.every((entry, index) => {
        const [fromJson, fromCri] = [json.entries[index], cri.entries[index]];
        const whole = text(entry);
        return (
          fromJson?.bytes.subarray(fromJson.text, fromJson.end).equals(asUtf8(whole)) === true &&
          fromCri?.bytes.subarray(fromCri.text, fromCri.end).equals(whole) === true &&
          [fromJson, fromCri].every((each) => entryTime(each) === entry.time) &&
          fromJson.stream === (entry.source === 'stdout' ? 1 : 2) &&
          fromCri.stream === fromJson.stream
        );
      });
    }),
  );
  t.pass();
});

/** What is no UTF-8 is one U+FFFD a byte. */
function goText(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((size) => {
      const one = bytes.subarray(at, at + size);
      return (
        one.length === size &&
        Buffer.from(one.toString('utf8')).equals(one) &&
        [...one.toString('utf8')].length === 1
      );
    });
    text += length === undefined ? '\ufffd' : bytes.toString('utf8', at, at + length);
    at += length ?? 1;
  }
  return text;
}

t.test('half an entry that a full disk left is not joined to the next', async (t) => {
  const later = '2026-01-01T00:00:09.000000000+00:00';
  const earlier = '2026-01-01T00:00:01.000000000+00:00';
  const texts = (log: string) =>
    parseEntries(Buffer.from(log)).entries.map(({ bytes, text, end }) => bytes.toString('utf8', text, end));
  t.same(texts(`${earlier} stdout F hal${later} stderr F whole\n`), ['whole\n']);
  t.same(texts(`${earlier} std${later} stderr F whole\n`), []);
  const quoted = `${later} stdout F ${earlier} stdout F a log of a log\n`;
  t.same(texts(quoted), [`${earlier} stdout F a log of a log\n`]);
});

const INFO: LogInfo = {
  options: {},
  containerId: '7e7ecb78ed3537af1ce7a144f162bf9b9984d1b94b55265054483dba189b444d',
  containerName: '/kb',
  entrypoint: 'sh',
  args: ['-c', 'x'],
  imageId: 'sha256:95c17aaaa',
  imageName: 'busybox',
  createdAt: TIME,
  env: ['E1=x', 'E2=y=z', 'E3'],
  labels: { 'l<1': 'v"&', lab2: 'q' },
  logPath: '/x',
  daemonName: 'docker',
};

t.test('tags and attributes', async (t) => {
  const options = { labels: 'l<1', env: 'E1', 'env-regex': '^E2', 'labels-regex': '^lab' };
  const attributes = logAttributes({ ...INFO, options: { ...options, tag: '{{.Name}}/{{.ID}}' } });
  t.same(Object.entries(attributes), [
    ['E1', 'x'],
    ['E2', 'y=z'],
    ['l<1', 'v"&'],
    ['lab2', 'q'],
    ['tag', 'kb/7e7ecb78ed35'],
  ]);
  t.equal(detailsText(attributes), 'E1=x,E2=y%3Dz,l%3C1=v%22%26,lab2=q,tag=kb%2F7e7ecb78ed35');
  t.equal(renderTag('{{.ImageName}} {{.ImageID}} {{ upper .Name }}', INFO), 'busybox sha256:95c17 KB');
  t.equal(renderTag('{{(.ExtraAttributes nil).E1}}', { ...INFO, options }), 'x');
  t.throws(() => renderTag('{{.Nope}}', INFO), {
    kind: 'InvalidArgument',
    message: /can't evaluate field Nope/,
  });
  t.throws(() => logAttributes({ ...INFO, options: { 'labels-regex': '(' } }), /error parsing regexp/);
});
