/** A tar as a sequence of entries, read as it streams in; nothing of it is held but the chunk at hand. */
import { type ByteReader, byteReader, cutShort } from './byte-reader.ts';
import {
  BLOCK,
  badTar,
  decodeHeader,
  decodePax,
  entrySize,
  KIND_OF_FLAG,
  type PaxRecords,
  type TarHeader,
  typeFlag,
  verifyChecksum,
} from './tar-header.ts';

export interface TarEntry {
  readonly header: TarHeader;
  /** The content, to be read before the next entry is asked for; what is left of it is passed over then. */
  readonly body: AsyncIterable<Buffer>;
}

/** Longest PAX header or GNU name: what Go's reader allows. */
const MAX_EXTENSION_BYTES = 1 << 20;

const NOTHING: PaxRecords = new Map();

/**
 * Reads `source` to its very end, past the end-of-archive mark, so that a digest taken on the way covers every byte.
 * Throws InvalidArgument for what is malformed, cut short or sparse.
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry, void> {
  const reader = byteReader(source);
  try {
    let pax = NOTHING;
    for (let block = await nextBlock(reader); block; block = await nextBlock(reader)) {
      const flag = typeFlag(block);
      const kind = KIND_OF_FLAG[flag];
      if (kind === undefined) {
        pax = await readExtension(reader, block, flag, pax);
        continue;
      }
      refuseSparse(pax);
      const header = decodeHeader(block, kind, pax);
      // A hard link may state the size of the file it names, yet no content follows it.
      const body = new Body(reader, header.sizeBytes);
      yield { header, body };
      await body.finish();
      pax = NOTHING;
    }
    await reader.drain();
  } finally {
    await reader.close();
  }
}

/** Undefined at the end mark, or at an end without a mark, which old writers leave. */
async function nextBlock(reader: ByteReader): Promise<Buffer | undefined> {
  const block = await reader.take(BLOCK);
  if (block === undefined || block.every((byte) => byte === 0)) return undefined;
  verifyChecksum(block);
  return block;
}

async function readExtension(
  reader: ByteReader,
  block: Buffer,
  flag: string,
  pax: PaxRecords,
): Promise<PaxRecords> {
  if (flag === 'S') throw badTar('sparse files are not supported');
  const size = entrySize(block, NOTHING);
  const isKnown = flag === 'x' || flag === 'L' || flag === 'K';
  if (!isKnown) {
    // `g` holds defaults for all that follows (git writes its commit there); Docker passes over it too.
    if (flag !== 'g' && flag !== 'V') throw badTar(`an entry has the unknown type "${flag}"`);
    await reader.skip(padded(size));
    return pax;
  }
  if (size > MAX_EXTENSION_BYTES) throw badTar(`an extended header of ${size} bytes`);
  const body = ((await reader.take(padded(size))) ?? Buffer.alloc(0)).subarray(0, size);
  if (body.length < size) throw cutShort();
  if (flag === 'x') return new Map([...pax, ...decodePax(body)]);
  const end = body.indexOf(0);
  const name = Buffer.from(end < 0 ? body : body.subarray(0, end));
  return new Map([...pax, [flag === 'L' ? 'path' : 'linkpath', name]]);
}

function refuseSparse(pax: PaxRecords): void {
  if ([...pax.keys()].some((key) => key.startsWith('GNU.sparse.'))) {
    throw badTar('sparse files are not supported');
  }
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

class Body implements AsyncIterable<Buffer> {
  readonly #reader: ByteReader;
  readonly #padding: number;
  #left: number;

  constructor(reader: ByteReader, size: number) {
    this.#reader = reader;
    this.#left = size;
    this.#padding = padded(size) - size;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void> {
    while (this.#left > 0) {
      const chunk = await this.#reader.some(this.#left);
      this.#left -= chunk.length;
      yield chunk;
    }
  }

  async finish(): Promise<void> {
    await this.#reader.skip(this.#left + this.#padding);
    this.#left = 0;
  }
}
