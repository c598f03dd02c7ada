/**
 * Log entries as Docker's log plugins get and give them: 4 bytes of length, big-endian, then a protobuf message
 * `LogEntry { string source = 1; int64 time_nano = 2; bytes line = 3; bool partial = 4; PartialLogEntryMetadata
 * partial_log_metadata = 5 { bool last = 1; string id = 2; int32 ordinal = 3 } }`.
 */
import type { LogEntry } from '../contracts/log.ts';

const LENGTH_BYTES = 4;
/** Docker's own limit of a frame is 1 MB; ours is for what is no frame at all. */
const LONGEST_BYTES = 16 * 1024 * 1024;
/** Keys: field number and wire type (0 is a varint, 2 is bytes with a length). */
const SOURCE = 0x0a;
const TIME = 0x10;
const LINE = 0x1a;
const PARTIAL = 0x20;
const METADATA = 0x2a;
const META_LAST = 0x08;
const META_ID = 0x12;
const META_ORDINAL = 0x18;
/** More than all fields but the texts can take. */
const ROOM_BYTES = 64;

/** The frames of `entries`, and for each where it ends. */
export function encodeEntries(entries: readonly LogEntry[]): { bytes: Buffer; ends: number[] } {
  const room = entries.reduce(
    (sum, { line, partial }) => sum + ROOM_BYTES + line.length + (partial?.id.length ?? 0),
    0,
  );
  const writer = new FrameWriter(Buffer.allocUnsafe(room));
  const ends = entries.map((entry) => writer.frame(entry));
  return { bytes: writer.bytes, ends };
}

class FrameWriter {
  readonly #target: Buffer;
  #at = 0;

  constructor(target: Buffer) {
    this.#target = target;
  }

  get bytes(): Buffer {
    return this.#target.subarray(0, this.#at);
  }

  frame({ source, time, line, partial }: LogEntry): number {
    const start = this.#at;
    this.#at += LENGTH_BYTES;
    this.#text(SOURCE, source);
    this.#target[this.#at++] = TIME;
    this.#varint(nanosOf(time));
    this.#bytes(LINE, line);
    if (partial) {
      this.#number(PARTIAL, 1n);
      this.#bytes(METADATA, metadataOf(partial));
    }
    this.#target.writeUInt32BE(this.#at - start - LENGTH_BYTES, start);
    return this.#at;
  }

  #number(key: number, value: bigint): void {
    this.#target[this.#at++] = key;
    this.#varint(value);
  }

  #text(key: number, text: string): void {
    this.#target[this.#at++] = key;
    this.#target[this.#at++] = text.length;
    this.#at += this.#target.write(text, this.#at, 'latin1');
  }

  #bytes(key: number, bytes: Uint8Array): void {
    this.#target[this.#at++] = key;
    this.#varint(BigInt(bytes.length));
    this.#target.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #varint(value: bigint): void {
    let left = BigInt.asUintN(64, value);
    while (left > 0x7fn) {
      this.#target[this.#at++] = Number(left & 0x7fn) | 0x80;
      left >>= 7n;
    }
    this.#target[this.#at++] = Number(left);
  }
}

/** As Go writes it: a field that is zero is left out. */
function metadataOf({ id, ordinal, last }: NonNullable<LogEntry['partial']>): Buffer {
  const text = Buffer.from(id);
  const number = ordinal < 0x80 ? [ordinal] : [(ordinal & 0x7f) | 0x80, (ordinal >> 7) & 0x7f];
  const parts = [...(last ? [META_LAST, 1] : []), META_ID, text.length, ...text, META_ORDINAL, ...number];
  return Buffer.from(parts);
}

let lastSecond = '';
let lastSecondNanos = 0n;

/** Nanoseconds since 1970. */
export function nanosOf(time: string): bigint {
  const second = time.slice(0, 19);
  if (second !== lastSecond) {
    lastSecondNanos = BigInt(Date.parse(`${second}Z`)) * 1_000_000n;
    lastSecond = second;
  }
  return lastSecondNanos + BigInt(time.slice(20, 29));
}

/** As `LogEntry` has it. */
export function timeOfNanos(nanos: bigint): string {
  const seconds = nanos >= 0n ? nanos / 1_000_000_000n : (nanos - 999_999_999n) / 1_000_000_000n;
  const fraction = String(nanos - seconds * 1_000_000_000n).padStart(9, '0');
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
}

/** Takes frames cut anywhere, and gives the entries that are whole. Throws RangeError for what is no frame. */
export class EntryDecoder {
  #rest: Buffer = Buffer.alloc(0);

  /** Bytes of a frame that is not whole yet. */
  get pending(): number {
    return this.#rest.length;
  }

  push(chunk: Buffer): LogEntry[] {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const entries: LogEntry[] = [];
    let at = 0;
    while (bytes.length - at >= LENGTH_BYTES) {
      const length = bytes.readUInt32BE(at);
      if (length > LONGEST_BYTES) throw new RangeError(`a log entry of ${length} bytes`);
      if (bytes.length - at - LENGTH_BYTES < length) break;
      entries.push(decodeEntry(bytes.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + length)));
      at += LENGTH_BYTES + length;
    }
    this.#rest = Buffer.from(bytes.subarray(at));
    return entries;
  }
}

/** Unknown fields are passed over. */
function decodeEntry(message: Buffer): LogEntry {
  let source: LogEntry['source'] = 'stdout';
  let time = 0n;
  let line: Buffer = Buffer.alloc(0);
  let isPartial = false;
  let partial: LogEntry['partial'];
  for (const { key, value, bytes } of fieldsOf(message)) {
    if (key === SOURCE) source = bytes.toString('latin1') === 'stderr' ? 'stderr' : 'stdout';
    else if (key === TIME) time = BigInt.asIntN(64, value);
    else if (key === LINE) line = bytes;
    else if (key === PARTIAL) isPartial = value !== 0n;
    else if (key === METADATA) partial = decodeMetadata(bytes);
  }
  if (isPartial) partial ??= { id: '', ordinal: 0, last: false };
  return { source, time: timeOfNanos(time), line, ...(partial && { partial }) };
}

function decodeMetadata(message: Buffer): NonNullable<LogEntry['partial']> {
  let [id, ordinal, last] = ['', 0, false];
  for (const { key, value, bytes } of fieldsOf(message)) {
    if (key === META_LAST) last = value !== 0n;
    else if (key === META_ID) id = bytes.toString('utf8');
    else if (key === META_ORDINAL) ordinal = Number(value);
  }
  return { id, ordinal, last };
}

interface Field {
  readonly key: number;
  readonly value: bigint;
  readonly bytes: Buffer;
}

const NO_BYTES = Buffer.alloc(0);

function* fieldsOf(message: Buffer): Generator<Field> {
  for (let at = 0; at < message.length; ) {
    const key = readVarint(message, at);
    at = key.end;
    const type = Number(key.value & 7n);
    if (type === 1 || type === 5) {
      at += type === 1 ? 8 : 4;
      continue;
    }
    if (type !== 0 && type !== 2) throw new RangeError(`a log entry with a field of type ${type}`);
    const { value, end } = readVarint(message, at);
    at = end;
    if (type === 0) yield { key: Number(key.value), value, bytes: NO_BYTES };
    else {
      const to = at + Number(value);
      if (to > message.length) throw new RangeError('a log entry whose field is longer than it');
      yield { key: Number(key.value), value, bytes: message.subarray(at, to) };
      at = to;
    }
  }
}

function readVarint(bytes: Buffer, from: number): { value: bigint; end: number } {
  let value = 0n;
  for (let at = from, shift = 0n; shift < 70n; at += 1, shift += 7n) {
    const byte = bytes[at];
    if (byte === undefined) break;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return { value, end: at + 1 };
  }
  throw new RangeError('a log entry that is cut off');
}
