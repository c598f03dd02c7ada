/** Exact numbers of bytes from a stream of chunks, copying only where a piece spans two chunks. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';

export interface ByteReader {
  /** Exactly `size` bytes; undefined when the stream ends right here. Throws InvalidArgument when it ends inside. */
  take(size: number): Promise<Buffer | undefined>;
  /** Between 1 and `max` bytes. Throws InvalidArgument at the end. */
  some(max: number): Promise<Buffer>;
  skip(size: number): Promise<void>;
  /** Reads on to the end. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

export function byteReader(source: AsyncIterable<Uint8Array>): ByteReader {
  const chunks = source[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);

  /** False at the end. */
  const more = async (): Promise<boolean> => {
    const next = await chunks.next();
    if (next.done) return false;
    held = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    return true;
  };
  const cut = (size: number): Buffer => {
    const piece = held.subarray(0, size);
    held = held.subarray(piece.length);
    return piece;
  };
  const some = async (max: number): Promise<Buffer> => {
    while (held.length === 0) if (!(await more())) throw cutShort();
    return cut(max);
  };
  const take = async (size: number): Promise<Buffer | undefined> => {
    if (held.length >= size) return cut(size);
    while (held.length === 0) if (!(await more())) return undefined;
    const pieces: Buffer[] = [];
    for (let left = size; left > 0; ) {
      const piece = await some(left);
      pieces.push(piece);
      left -= piece.length;
    }
    return Buffer.concat(pieces);
  };
  return {
    take,
    some,
    skip: async (size) => {
      for (let left = size; left > 0; ) left -= (await some(left)).length;
    },
    drain: async () => {
      held = Buffer.alloc(0);
      while (await more());
    },
    close: async () => {
      await chunks.return?.();
    },
  };
}

export function cutShort(): HostError {
  return new HostError(
    'InvalidArgument',
    'ARCHIVE_TRUNCATED',
    'read archive: it ends in the middle of something',
  );
}
