/**
 * One tar header as a value, to and from its blocks: ustar, PAX and GNU on reading, ustar with PAX on writing.
 *
 * Names are *byte strings*: each character is one byte (latin1), since a tar may hold names that are no UTF-8 and two
 * of them must not become one. `byteString` and `utf8` convert.
 */
import { HostError } from '@gantry/plugin-sdk/errors.ts';

export const BLOCK = 512;

export type TarKind = 'file' | 'hardlink' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo';

export interface TarHeader {
  readonly name: string;
  readonly kind: TarKind;
  /** Target of a link, else ''. */
  readonly linkName: string;
  /** Permission, set-id and sticky bits alone. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** Seconds since 1970, with a fraction where the archive has one. */
  readonly mtime: number;
  readonly device: { readonly major: number; readonly minor: number };
  readonly xattrs: ReadonlyMap<string, Buffer>;
}

/** What a PAX header says about the entry after it; it goes before the plain fields. */
export type PaxRecords = ReadonlyMap<string, Buffer>;

export const KIND_OF_FLAG: Readonly<Record<string, TarKind>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
};

const FLAG_OF_KIND: Readonly<Record<TarKind, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

const XATTR = 'SCHILY.xattr.';

export function byteString(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

export function utf8(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

export function badTar(why: string): HostError {
  return new HostError('InvalidArgument', 'TAR_INVALID', `read tar: ${why}`);
}

export function typeFlag(block: Buffer): string {
  return String.fromCharCode(block[156] ?? 0);
}

/** Throws InvalidArgument unless the block's checksum holds. */
export function verifyChecksum(block: Buffer): void {
  const stated = number(block, 148, 8);
  let unsigned = 8 * 32;
  let signed = 8 * 32;
  for (let at = 0; at < BLOCK; at++) {
    if (at >= 148 && at < 156) continue;
    const byte = block[at] ?? 0;
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte; // some old writers summed signed characters
  }
  if (stated !== unsigned && stated !== signed) {
    throw badTar(`a header's checksum is ${unsigned} where it says ${stated}`);
  }
}

export function entrySize(block: Buffer, pax: PaxRecords): number {
  const size = paxNumber(pax, 'size') ?? number(block, 124, 12);
  if (!Number.isSafeInteger(size) || size < 0) throw badTar(`an entry has the size ${size}`);
  return size;
}

export function decodeHeader(block: Buffer, kind: TarKind, pax: PaxRecords): TarHeader {
  const plainName = text(block, 0, 100);
  const prefix = isUstar(block) ? text(block, 345, 155) : '';
  const name = paxText(pax, 'path') ?? (prefix ? `${prefix}/${plainName}` : plainName);
  return {
    name,
    // Before POSIX a directory was a file whose name ends with a slash.
    kind: kind === 'file' && name.endsWith('/') ? 'directory' : kind,
    linkName: paxText(pax, 'linkpath') ?? text(block, 157, 100),
    mode: number(block, 100, 8) & 0o7777,
    uid: paxNumber(pax, 'uid') ?? number(block, 108, 8),
    gid: paxNumber(pax, 'gid') ?? number(block, 116, 8),
    sizeBytes: kind === 'file' ? entrySize(block, pax) : 0,
    mtime: paxNumber(pax, 'mtime') ?? number(block, 136, 12),
    device: { major: number(block, 329, 8), minor: number(block, 337, 8) },
    xattrs: new Map(
      [...pax]
        .filter(([key]) => key.startsWith(XATTR))
        .map(([key, value]) => [key.slice(XATTR.length), value]),
    ),
  };
}

/** The records of a PAX header's body, `LENGTH KEY=VALUE\n` each; values stay bytes. */
export function decodePax(body: Buffer): PaxRecords {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(body.toString('latin1', at, space));
    const equals = body.indexOf(0x3d, space);
    if (!Number.isInteger(length) || at + length > body.length || equals < 0 || equals >= at + length) {
      throw badTar('a PAX record is malformed');
    }
    records.set(body.toString('latin1', space + 1, equals), body.subarray(equals + 1, at + length - 1));
    at += length;
  }
  return records;
}

export type NewTarEntry = Pick<TarHeader, 'name'> & Partial<TarHeader>;

/** The blocks before an entry's content, with a PAX header first where ustar cannot hold a field. */
export function encodeHeader(entry: NewTarEntry): Buffer {
  const pax = new Map<string, Buffer>();
  const header = { ...DEFAULTS, ...entry };
  if (header.name.length > 100) pax.set('path', Buffer.from(header.name, 'latin1'));
  if (header.linkName.length > 100) pax.set('linkpath', Buffer.from(header.linkName, 'latin1'));
  if (header.sizeBytes > 0o77777777777) pax.set('size', Buffer.from(String(header.sizeBytes)));
  if (header.uid > 0o7777777) pax.set('uid', Buffer.from(String(header.uid)));
  if (header.gid > 0o7777777) pax.set('gid', Buffer.from(String(header.gid)));
  if (!Number.isInteger(header.mtime)) pax.set('mtime', Buffer.from(String(header.mtime)));
  for (const [key, value] of header.xattrs) pax.set(XATTR + key, value);
  const block = encodeBlock(header, FLAG_OF_KIND[header.kind]);
  if (pax.size === 0) return block;
  const body = Buffer.concat([...pax].map(([key, value]) => paxRecord(key, value)));
  const intro = encodeBlock({ ...DEFAULTS, name: 'PaxHeaders/0', sizeBytes: body.length }, 'x');
  return Buffer.concat([intro, body, padding(body.length), block]);
}

/** Zeros that fill content of `sizeBytes` up to a whole block. */
export function padding(sizeBytes: number): Buffer {
  return Buffer.alloc((BLOCK - (sizeBytes % BLOCK)) % BLOCK);
}

export const TAR_END = Buffer.alloc(2 * BLOCK);

const DEFAULTS = {
  kind: 'file',
  linkName: '',
  mode: 0o644,
  uid: 0,
  gid: 0,
  sizeBytes: 0,
  mtime: 0,
  device: { major: 0, minor: 0 },
  xattrs: new Map<string, Buffer>(),
} satisfies Partial<TarHeader>;

function encodeBlock(header: Omit<TarHeader, 'kind'>, flag: string): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number) =>
    block.write(
      Math.max(0, Math.floor(value))
        .toString(8)
        .padStart(width - 1, '0')
        .slice(1 - width),
      at,
      'latin1',
    );
  block.write(header.name.slice(0, 100), 0, 'latin1');
  octal(header.mode, 100, 8);
  octal(header.uid, 108, 8);
  octal(header.gid, 116, 8);
  octal(header.sizeBytes, 124, 12);
  octal(header.mtime, 136, 12);
  block.write('        ', 148, 'latin1');
  block.write(flag, 156, 'latin1');
  block.write(header.linkName.slice(0, 100), 157, 'latin1');
  block.write('ustar\u000000', 257, 'latin1');
  octal(header.device.major, 329, 8);
  octal(header.device.minor, 337, 8);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** A record's length counts its own digits. */
function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`, 'latin1'), value, Buffer.from('\n')]);
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** GNU's own format (`ustar  `) has other things where POSIX has the prefix. */
function isUstar(block: Buffer): boolean {
  return block.toString('latin1', 257, 263) === 'ustar\0';
}

function text(block: Buffer, at: number, width: number): string {
  const end = block.indexOf(0, at);
  return block.toString('latin1', at, end < 0 || end > at + width ? at + width : end);
}

/** Octal digits, or, with the top bit set, GNU's big-endian two's complement. */
function number(block: Buffer, at: number, width: number): number {
  const first = block[at] ?? 0;
  if (first & 0x80) return base256(block.subarray(at, at + width));
  const digits = text(block, at, width).trim();
  if (!/^[0-7]*$/.test(digits)) throw badTar(`a header holds "${digits}" where octal digits belong`);
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

function base256(field: Buffer): number {
  const bits = BigInt(field.length * 8 - 1);
  const value = BigInt(`0x${field.toString('hex')}`) & ((1n << bits) - 1n);
  const signed = BigInt.asIntN(field.length * 8 - 1, value);
  const result = Number(signed);
  if (!Number.isSafeInteger(result)) throw badTar('a header holds a number past 2^53');
  return result;
}

function paxText(pax: PaxRecords, key: string): string | undefined {
  const value = pax.get(key)?.toString('latin1');
  if (value?.includes('\0')) throw badTar(`PAX record "${key}" holds a zero byte`);
  return value || undefined;
}

function paxNumber(pax: PaxRecords, key: string): number | undefined {
  const digits = pax.get(key)?.toString('latin1');
  if (digits === undefined || digits === '') return undefined;
  const value = Number(digits);
  if (!/^-?\d+(\.\d+)?$/.test(digits) || !Number.isFinite(value))
    throw badTar(`PAX record "${key}" is "${digits}"`);
  return value;
}
