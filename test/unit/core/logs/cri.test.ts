/** The CRI reader and the frames: any output, cut anywhere, comes out whole. */
import fc from 'fast-check';
import t from 'tap';
import { LogEncoder, type LogShape } from '../../../../core/controllers/logs/encoder.ts';
import { CriParser, entryTime, parseEntries } from '../../../../plugin-sdk/logs/cri.ts';
import { anyWrites, asCri, type Write } from './cri-log.ts';

const PLAIN: LogShape = { stdout: true, stderr: true, terminal: true, timestamps: false };

/** The log read with cuts at `cuts`, a share of its length each. */
function through(log: Buffer, cuts: readonly number[], shape: LogShape): Buffer {
  const parser = new CriParser();
  const encoder = new LogEncoder(shape);
  const at = [...new Set([0, ...cuts.map((cut) => Math.floor(cut * log.length)), log.length])].sort(
    (a, b) => a - b,
  );
  const shared = Buffer.alloc(log.length);
  return Buffer.concat(
    at.slice(1).map((end, index) => {
      // One buffer for every chunk, as the reader has it: nothing may refer to an earlier one.
      const length = log.copy(shared, 0, at[index], end);
      return encoder.encode(parser.push(shared.subarray(0, length)));
    }),
  );
}

function bytesOf(writes: readonly Write[], stream?: number): Buffer {
  return Buffer.concat(
    writes.filter((one) => stream === undefined || one.stream === stream).map(({ bytes }) => bytes),
  );
}

function unframed(frames: Buffer): Write[] {
  const found: Write[] = [];
  for (let at = 0; at < frames.length; ) {
    const length = frames.readUInt32BE(at + 4);
    const stream = frames[at] === 1 ? 1 : 2;
    found.push({ stream, bytes: frames.subarray(at + 8, at + 8 + length) });
    at += 8 + length;
  }
  return found;
}

const anyCuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 });

t.test('any bytes cut anywhere come out whole', async (t) => {
  fc.assert(
    fc.property(anyWrites, anyCuts, (writes, cuts) => {
      const log = Buffer.concat(asCri(writes).map(({ line }) => line));
      const raw = through(log, cuts, PLAIN);
      const frames = unframed(through(log, cuts, { ...PLAIN, terminal: false }));
      const onlyErrors = through(log, cuts, { ...PLAIN, stdout: false });
      return (
        raw.equals(bytesOf(writes)) &&
        bytesOf(frames, 1).equals(bytesOf(writes, 1)) &&
        bytesOf(frames, 2).equals(bytesOf(writes, 2)) &&
        onlyErrors.equals(bytesOf(writes, 2))
      );
    }),
  );
  t.pass();
});

t.test('a timestamp stands once a line, however many pieces the line has', async (t) => {
  const log = asCri([
    { stream: 1, bytes: Buffer.from('a') },
    { stream: 2, bytes: Buffer.from('x\n') },
    { stream: 1, bytes: Buffer.from('b\nc\n') },
  ]);
  const text = through(Buffer.concat(log.map(({ line }) => line)), [0.3], {
    ...PLAIN,
    timestamps: true,
  }).toString();
  t.match(text, /^\S{30} a\S{30} x\nb\n\S{30} c\n$/);
});

t.test('since and until take whole lines, by the time of their first piece', async (t) => {
  const log = asCri(['a', 'b\n', 'c\n', 'd', 'e\n'].map((text) => ({ stream: 1, bytes: Buffer.from(text) })));
  const times = parseEntries(Buffer.concat(log.map(({ line }) => line))).entries.map(entryTime);
  const shown = (shape: Partial<LogShape>) =>
    through(Buffer.concat(log.map(({ line }) => line)), [], { ...PLAIN, ...shape }).toString();
  t.equal(shown({ since: times[1] }), 'c\nde\n');
  t.equal(shown({ since: times[2] }), 'c\nde\n');
  t.equal(shown({ until: times[2] }), 'ab\nc\n');
  t.equal(shown({ until: times[4] }), 'ab\nc\nde\n');
});

t.test('times become UTC with nine digits', async (t) => {
  const timeOf = (time: string) =>
    parseEntries(Buffer.from(`${time} stdout F x\n`))
      .entries.map(entryTime)
      .join();
  t.equal(timeOf('2026-01-02T03:04:05.123456789+00:00'), '2026-01-02T03:04:05.123456789Z');
  t.equal(timeOf('2026-01-02T03:04:05.123456789+05:30'), '2026-01-01T21:34:05.123456789Z');
  t.equal(timeOf('2026-01-02T03:04:05.123456789Z'), '2026-01-02T03:04:05.123456789Z');
});

t.test('what is no entry is passed over', async (t) => {
  const good = '2026-01-02T03:04:05.123456789+00:00 stdout F good\n';
  const bad = ['\n', ' stdout F x\n', 'x\n', 'T stdin F x\n', 'T stdout Q x\n', 'T stdout F\n', '\0\0\0\n'];
  const log = Buffer.from(bad.map((line) => line + good).join(''));
  t.equal(through(log, [0.5], PLAIN).toString(), 'good\n'.repeat(bad.length));
  const parser = new CriParser();
  for (let index = 0; index < 40; index += 1) t.same(parser.push(Buffer.alloc(64 * 1024)), []);
  t.equal(parser.push(Buffer.from(`\n${good}`)).length, 1, 'megabytes of zeros are not kept');
});
