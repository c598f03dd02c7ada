/**
 * Cuts a zstd stream so that no chunk reaches across a frame's end, and drops skippable frames.
 *
 * Node's decompressor ends with the first frame and silently drops what follows it in the same chunk (seen with 24.21);
 * zstd:chunked layers and parallel compressors write many frames. Source: RFC 8878, section 3.1.
 */
import { type ByteReader, byteReader } from './byte-reader.ts';

const FRAME_MAGIC = 0xfd2fb528;
const DICTIONARY_BYTES = [0, 1, 2, 4] as const;

export async function* splitZstdFrames(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void> {
  const reader = byteReader(source);
  try {
    for (let magic = await reader.take(4); magic; magic = await reader.take(4)) {
      if (isSkippable(magic)) await reader.skip((await need(reader, 4)).readUInt32LE());
      else yield* frame(reader, magic);
    }
  } finally {
    await reader.close();
  }
}

async function* frame(reader: ByteReader, magic: Buffer): AsyncGenerator<Buffer, void> {
  const descriptor = (await need(reader, 1))[0] ?? 0;
  // What is no frame goes to the decoder as it is: its error says what is wrong.
  if (magic.readUInt32LE() !== FRAME_MAGIC) {
    yield Buffer.concat([magic, Buffer.of(descriptor)]);
    await reader.drain();
    return;
  }
  yield Buffer.concat([magic, Buffer.of(descriptor), await need(reader, headerBytes(descriptor))]);
  let isLast = false;
  while (!isLast) {
    const header = await need(reader, 3);
    const value = header.readUIntLE(0, 3);
    isLast = (value & 1) === 1;
    const isRepeat = ((value >> 1) & 3) === 1;
    yield Buffer.concat([header, await need(reader, isRepeat ? 1 : value >> 3)]);
  }
  if (descriptor & 4) yield await need(reader, 4);
}

/** Window, dictionary and content size fields that follow the descriptor. */
function headerBytes(descriptor: number): number {
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 1 << sizeFlag;
  return (isSingleSegment ? 0 : 1) + (DICTIONARY_BYTES[descriptor & 3] ?? 0) + sizeBytes;
}

function isSkippable(magic: Buffer): boolean {
  return (magic.readUInt32LE() & 0xfffffff0) >>> 0 === 0x184d2a50;
}

async function need(reader: ByteReader, size: number): Promise<Buffer> {
  return size === 0 ? Buffer.alloc(0) : ((await reader.take(size)) ?? (await reader.some(1)));
}
