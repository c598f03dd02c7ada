/**
 * Docker's JSON log file, a line an entry: `{"log":"text\n","stream":"stdout","attrs":{...},"time":"..."}`. A piece of a
 * line that goes on has no newline in `log`.
 */
import type { LogEntry } from '../contracts/log.ts';
import type { CriEntry } from './cri.ts';
import { jsonTextRoom, readJsonText, writeJsonText } from './json-text.ts';

const HEAD = Buffer.from('{"log":"', 'latin1');
const NEWLINE = Buffer.from('\\n', 'latin1');
const STREAM = { stdout: Buffer.from('","stream":"stdout"'), stderr: Buffer.from('","stream":"stderr"') };
const TIME = Buffer.from(',"time":"', 'latin1');
const TAIL = Buffer.from('"}\n', 'latin1');
const ROOM_BYTES = 128;

/** Goes into each line of a log, behind the stream; empty when there are no attributes. */
export function attributesJson(attributes: Readonly<Record<string, string>>): Buffer {
  if (Object.keys(attributes).length === 0) return Buffer.alloc(0);
  const parts = Object.entries(attributes).map(([name, value]) => `${goJson(name)}:${goJson(value)}`);
  return Buffer.from(`,"attrs":{${parts.join(',')}}`);
}

/** As Go's encoder writes a text: fit to stand in HTML. */
function goJson(text: string): string {
  return JSON.stringify(text).replace(/[<>&\u2028\u2029]/g, unicodeEscape);
}

function unicodeEscape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** The lines of `entries`, and for each where it ends. */
export function encodeJsonLines(
  entries: readonly LogEntry[],
  attributes: Buffer,
): { bytes: Buffer; ends: number[] } {
  const room = entries.reduce(
    (sum, { line }) => sum + ROOM_BYTES + attributes.length + jsonTextRoom(line),
    0,
  );
  const target = Buffer.allocUnsafe(room);
  let at = 0;
  const ends = entries.map((entry) => {
    at = writeLine(target, at, entry, attributes);
    return at;
  });
  return { bytes: target.subarray(0, at), ends };
}

function writeLine(
  target: Buffer,
  offset: number,
  { source, time, line, partial }: LogEntry,
  attributes: Buffer,
): number {
  let at = offset + HEAD.copy(target, offset);
  at = writeJsonText(target, at, line, 0, line.length);
  if (!partial || partial.last) at += NEWLINE.copy(target, at);
  at += STREAM[source].copy(target, at);
  at += attributes.copy(target, at);
  at += TIME.copy(target, at);
  at += target.write(withoutZeros(time), at, 'latin1');
  return at + TAIL.copy(target, at);
}

/** As Go writes a time: no zeros at the end of the fraction. */
function withoutZeros(time: string): string {
  if (time.charCodeAt(28) !== 0x30) return time;
  return `${time.slice(0, 29).replace(/\.?0+$/, '')}Z`;
}

const QUOTE = 0x22;
const BRACE = 0x7d;
const LINE_END = 0x0a;
const STREAM_AT = '","stream":"std'.length;
const OUT = 'o'.charCodeAt(0);

/** The entries among the whole lines of `bytes`; what is none is passed over. `rest` is where the last line begins. */
export function parseJsonLines(bytes: Buffer, from = 0): { entries: CriEntry[]; rest: number } {
  const entries: CriEntry[] = [];
  // A text is never longer than its escaped form.
  const texts = Buffer.allocUnsafe(bytes.length - from);
  let used = 0;
  let start = from;
  for (let newline = bytes.indexOf(LINE_END, start); newline >= 0; newline = bytes.indexOf(LINE_END, start)) {
    const entry = parseLine(bytes, start, newline, texts, used);
    if (entry) {
      entries.push(entry);
      used = entry.end;
    }
    start = newline + 1;
  }
  return { entries, rest: start };
}

function parseLine(
  bytes: Buffer,
  start: number,
  newline: number,
  texts: Buffer,
  used: number,
): CriEntry | undefined {
  if (bytes[start] !== HEAD[0] || bytes[start + 2] !== HEAD[2]) return undefined;
  if (bytes[newline - 1] !== BRACE || bytes[newline - 2] !== QUOTE) return undefined;
  const timeEnd = newline - 2;
  const time = bytes.lastIndexOf(QUOTE, timeEnd - 1) + 1;
  const text = readJsonText(bytes, start + HEAD.length, time, texts, used);
  if (text === undefined) return undefined;
  const { quote, end } = text;
  return {
    stream: bytes[quote + STREAM_AT] === OUT ? 1 : 2,
    partial: end === used || texts[end - 1] !== LINE_END,
    bytes: texts,
    text: used,
    end,
    start,
    stamp: bytes,
    stampFrom: time,
    stampEnd: timeEnd,
  };
}
