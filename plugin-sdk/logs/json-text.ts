/** Texts in Docker's JSON log files: what is escaped and how, byte for byte as Docker writes it. */

/** Bytes that stand for themselves; of the rest, those from 0x80 on may begin a character of UTF-8. */
const PLAIN = new Uint8Array(128).fill(1, 0x20);
for (const char of '"\\<>&') PLAIN[char.charCodeAt(0)] = 0;
const HEX = Buffer.from('0123456789abcdef', 'latin1');
const BACKSLASH = 0x5c;
const UNKNOWN = Buffer.from('\\ufffd', 'latin1');
/** The most that one byte becomes. */
const LONGEST_ESCAPE = 6;

/** Room that is enough for the inside of a JSON string. */
export function jsonTextRoom(source: Uint8Array): number {
  let escaped = 0;
  for (let index = 0; index < source.length; index += 1) {
    const byte = source[index] as number;
    if (byte >= 0x80 || PLAIN[byte] === 0) escaped += 1;
  }
  return source.length + escaped * (LONGEST_ESCAPE - 1);
}

/** Writes `source` between the two, as the inside of a JSON string; answers where in `target` it ends. */
export function writeJsonText(
  target: Buffer,
  offset: number,
  source: Uint8Array,
  from: number,
  end: number,
): number {
  let at = offset;
  for (let index = from; index < end; ) {
    const byte = source[index] as number;
    if (byte < 0x80) {
      if (PLAIN[byte] === 1) target[at++] = byte;
      else at = writeEscape(target, at, byte);
      index += 1;
      continue;
    }
    const length = characterLength(source, index, end);
    if (length === 0) at += UNKNOWN.copy(target, at);
    else if (isLineSeparator(source, index, length)) {
      // U+2028 and U+2029, which JavaScript once took for ends of lines.
      at += target.write((source[index + 2] as number) === 0xa8 ? '\\u2028' : '\\u2029', at, 'latin1');
    } else for (let next = 0; next < length; next += 1) target[at++] = source[index + next] as number;
    index += length || 1;
  }
  return at;
}

function writeEscape(target: Buffer, offset: number, byte: number): number {
  let at = offset;
  target[at++] = BACKSLASH;
  const short = byte === 0x0a ? 0x6e : byte === 0x0d ? 0x72 : byte === 0x22 || byte === BACKSLASH ? byte : 0;
  if (short !== 0) {
    target[at++] = short;
    return at;
  }
  target[at++] = 0x75;
  target[at++] = 0x30;
  target[at++] = 0x30;
  target[at++] = HEX[byte >> 4] as number;
  target[at++] = HEX[byte & 15] as number;
  return at;
}

function isLineSeparator(bytes: Uint8Array, at: number, length: number): boolean {
  const third = bytes[at + 2];
  return length === 3 && bytes[at] === 0xe2 && bytes[at + 1] === 0x80 && (third === 0xa8 || third === 0xa9);
}

/** Bytes of the character of UTF-8 that begins at `at`; 0 when none does. */
function characterLength(bytes: Uint8Array, at: number, end: number): number {
  const first = bytes[at] as number;
  const length =
    first >= 0xc2 && first < 0xe0
      ? 2
      : first >= 0xe0 && first < 0xf0
        ? 3
        : first >= 0xf0 && first < 0xf5
          ? 4
          : 0;
  if (length === 0 || at + length > end) return 0;
  const second = bytes[at + 1] as number;
  // Overlong forms, surrogates, and what is past U+10FFFF.
  if (first === 0xe0 && second < 0xa0) return 0;
  if (first === 0xed && second > 0x9f) return 0;
  if (first === 0xf0 && second < 0x90) return 0;
  if (first === 0xf4 && second > 0x8f) return 0;
  for (let next = 1; next < length; next += 1) if (((bytes[at + next] as number) & 0xc0) !== 0x80) return 0;
  return length;
}

const SHORT: Readonly<Record<number, number>> = { 110: 0x0a, 114: 0x0d, 116: 0x09, 98: 0x08, 102: 0x0c };

/**
 * Reads the inside of a JSON string from `from` on into `target`; answers where it ends in either, `source` being at the
 * closing quote. Undefined when there is none before `limit`.
 */
export function readJsonText(
  source: Buffer,
  from: number,
  limit: number,
  target: Buffer,
  offset: number,
): { readonly quote: number; readonly end: number } | undefined {
  let at = offset;
  for (let index = from; index < limit; index += 1) {
    const byte = source[index] as number;
    if (byte === 0x22) return { quote: index, end: at };
    if (byte !== BACKSLASH) {
      target[at++] = byte;
      continue;
    }
    index += 1;
    const kind = source[index] as number;
    if (kind !== 0x75) {
      target[at++] = SHORT[kind] ?? kind;
      continue;
    }
    const unit = Number.parseInt(source.toString('latin1', index + 1, index + 5), 16);
    index += 4;
    if (unit < 0x80) target[at++] = unit;
    else {
      let text = String.fromCharCode(unit);
      // The second half of a character that JSON writes as two.
      if (unit >= 0xd800 && unit < 0xdc00 && source[index + 1] === BACKSLASH && source[index + 2] === 0x75) {
        text += String.fromCharCode(Number.parseInt(source.toString('latin1', index + 3, index + 7), 16));
        index += 6;
      }
      at += target.write(text, at, 'utf8');
    }
  }
  return undefined;
}
