/**
 * The CRI log format, which a runtime driver writes: `TIME stdout F text`, one entry a line. `P` instead of `F` marks a
 * piece of a line that goes on in the next entry of the same stream.
 */

export type StreamNumber = 1 | 2;

export interface CriEntry {
  /** 1 is stdout, 2 stderr. */
  readonly stream: StreamNumber;
  readonly partial: boolean;
  /** What the offsets below are of. */
  readonly bytes: Buffer;
  readonly start: number;
  readonly text: number;
  /** Past the text, of which the newline is part unless `partial`. */
  readonly end: number;
}

const NEWLINE = 0x0a;
const SPACE = 0x20;
const FULL = 0x46;
const PARTIAL = 0x50;
const STREAMS: Readonly<Record<string, StreamNumber>> = { ' stdout ': 1, ' stderr ': 2 };
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
  const stream = STREAMS[bytes.toString('latin1', space, space + 8)];
  const tag = bytes[space + 8];
  if (!stream || (tag !== FULL && tag !== PARTIAL)) return undefined;
  const partial = tag === PARTIAL;
  return { stream, partial, bytes, start, text, end: partial ? newline : newline + 1 };
}

/** Takes the bytes of a log cut anywhere, and gives the entries that are whole. */
export class CriParser {
  #rest = Buffer.alloc(0);

  /** The entries may refer to `chunk`: use them before it is written over. */
  push(chunk: Buffer): readonly CriEntry[] {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const { entries, rest } = parseEntries(bytes);
    this.#rest = bytes.length - rest > LONGEST_BYTES ? Buffer.alloc(0) : Buffer.from(bytes.subarray(rest));
    return entries;
  }
}

/** When it was written, as UTC with nine digits of a second: such texts compare as the times do. */
export function entryTime({ bytes, start, text }: CriEntry): string {
  const written = bytes.toString('latin1', start, text - 10);
  const fraction = written.slice(20, 29);
  if (written.endsWith('Z') || written.endsWith('+00:00')) return `${written.slice(0, 19)}.${fraction}Z`;
  const at = Date.parse(written.slice(0, 19) + written.slice(29));
  return Number.isNaN(at) ? written : utcText(at / 1000, fraction);
}

/** `fraction`: the digits after the point, as many as there are. Throws RangeError for what is no time. */
export function utcText(seconds: number, fraction: string): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${fraction.padEnd(9, '0').slice(0, 9)}Z`;
}
