/**
 * The CRI log format, which a runtime driver writes: `TIME stdout F text`, one entry a line. `P` instead of `F` marks a
 * piece of a line that goes on in the next entry of the same stream.
 */

import type { LogEntry } from '../contracts/log.ts';

export type StreamNumber = 1 | 2;

export interface CriEntry {
  /** 1 is stdout, 2 stderr. */
  readonly stream: StreamNumber;
  readonly partial: boolean;
  /** What `text` and `end` are offsets of. */
  readonly bytes: Buffer;
  readonly text: number;
  /** Past the text, of which the newline is part unless `partial`. */
  readonly end: number;
  /** Where the entry's line begins in what was parsed. */
  readonly start: number;
  /** Its time as it was written. */
  readonly stamp: Buffer;
  readonly stampFrom: number;
  readonly stampEnd: number;
}

const NEWLINE = 0x0a;
const SPACE = 0x20;
const FULL = 0x46;
const PARTIAL = 0x50;
const LETTER_O = 0x6f;
const STDOUT = Buffer.from(' stdout ', 'latin1');
const STDERR = Buffer.from(' stderr ', 'latin1');
/** Far more than a runtime writes at once: what is longer is no entry, such as the zeros that a power cut can leave. */
export const LONGEST_BYTES = 1 << 20;

/** The entries among the whole lines of `bytes`; what is none is passed over. `rest` is where the last line begins. */
export function parseEntries(bytes: Buffer, from = 0): { entries: CriEntry[]; rest: number } {
  const entries: CriEntry[] = [];
  let start = from;
  for (let newline = bytes.indexOf(NEWLINE, start); newline >= 0; newline = bytes.indexOf(NEWLINE, start)) {
    const entry = parseEntry(bytes, start, newline);
    if (entry) entries.push(entry);
    start = newline + 1;
  }
  return { entries, rest: start };
}

function parseEntry(bytes: Buffer, start: number, newline: number): CriEntry | undefined {
  const space = bytes.indexOf(SPACE, start);
  const text = space + 10;
  if (space <= start || text > newline) return undefined;
  const stream = bytes[space + 4] === LETTER_O ? 1 : 2;
  const name = stream === 1 ? STDOUT : STDERR;
  for (let at = 0; at < name.length; at += 1) if (bytes[space + at] !== name[at]) return undefined;
  const tag = bytes[space + 8];
  if (tag !== FULL && tag !== PARTIAL) return undefined;
  const torn = tornAt(bytes, start, text, newline);
  if (torn !== undefined) return parseEntry(bytes, torn, newline);
  const partial = tag === PARTIAL;
  const end = partial ? newline : newline + 1;
  return { stream, partial, bytes, text, end, start, stamp: bytes, stampFrom: start, stampEnd: space };
}

const HEADER_MARK = Buffer.from(' std', 'latin1');
const HEADER = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}[-+]\d\d:\d\d) std(out|err) [FP] /;
const STAMP_BYTES = 35;

/**
 * Where another entry begins in the text of this one. A writer whose disk is full leaves half an entry, and begins the
 * next one behind it when there is room again. Only what was stamped later than this entry is one: a text of the
 * container's own cannot know such a time.
 */
function tornAt(bytes: Buffer, start: number, text: number, newline: number): number | undefined {
  for (
    let mark = bytes.indexOf(HEADER_MARK, text);
    mark >= 0 && mark < newline;
    mark = bytes.indexOf(HEADER_MARK, mark + 1)
  ) {
    const at = mark - STAMP_BYTES;
    if (at < text) continue;
    const [, stamp] = HEADER.exec(bytes.toString('latin1', at, at + STAMP_BYTES + 10)) ?? [];
    if (stamp !== undefined && stamp > bytes.toString('latin1', start, start + STAMP_BYTES)) return at;
  }
  return undefined;
}

/** Finds the entries among whole lines, as `parseEntries` does. */
export type ParseLines = (bytes: Buffer, from?: number) => { entries: CriEntry[]; rest: number };

/** Takes the bytes of a log cut anywhere, and gives the entries that are whole. */
export class CriParser {
  readonly #parse: ParseLines;
  #rest = Buffer.alloc(0);

  constructor(parse: ParseLines = parseEntries) {
    this.#parse = parse;
  }

  /** The entries may refer to `chunk`: use them before it is written over. */
  push(chunk: Buffer): readonly CriEntry[] {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const { entries, rest } = this.#parse(bytes);
    this.#rest = bytes.length - rest > LONGEST_BYTES ? Buffer.alloc(0) : Buffer.from(bytes.subarray(rest));
    return entries;
  }
}

/** When it was written, as UTC with nine digits of a second: such texts compare as the times do. */
export function entryTime({ stamp, stampFrom, stampEnd }: CriEntry): string {
  const written = stamp.toString('latin1', stampFrom, stampEnd);
  if (written.length === 35 && written.endsWith('+00:00')) return `${written.slice(0, 29)}Z`;
  if (written.length === 30 && written.endsWith('Z')) return written;
  const [, seconds, fraction = '', zone = 'Z'] = /^(.{19})(?:\.(\d*))?(.*)$/.exec(written) ?? [];
  if (seconds === undefined) return written;
  const at = Date.parse(seconds + zone);
  return Number.isNaN(at) ? written : utcText(at / 1000, fraction);
}

/** `fraction`: the digits after the point, as many as there are. Throws RangeError for what is no time. */
export function utcText(seconds: number, fraction: string): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${fraction.padEnd(9, '0').slice(0, 9)}Z`;
}

/** `entries` as lines of CRI, and for each where it ends. */
export function encodeCriLines(entries: readonly LogEntry[]): { bytes: Buffer; ends: number[] } {
  const target = Buffer.allocUnsafe(
    entries.reduce((sum, { line }) => sum + LONGEST_HEAD_BYTES + line.length, 0),
  );
  let at = 0;
  const ends = entries.map(({ source, time, line, partial }) => {
    at += target.write(`${time} ${source} ${partial && !partial.last ? 'P' : 'F'} `, at, 'latin1');
    target.set(line, at);
    at += line.length;
    target[at++] = NEWLINE;
    return at;
  });
  return { bytes: target.subarray(0, at), ends };
}

const LONGEST_HEAD_BYTES = 48;
