/** A writer of the CRI format as conmon writes it: what is read at once is cut at its newlines. */
import fc from 'fast-check';
import type { StreamNumber } from '../../../../plugin-sdk/logs/cri.ts';

export interface Write {
  readonly stream: StreamNumber;
  readonly bytes: Buffer;
}

/** One entry of the log: the text it stands for, and its line in the file. */
export interface Written {
  readonly stream: StreamNumber;
  readonly text: Buffer;
  readonly line: Buffer;
}

export function asCri(writes: readonly Write[]): Written[] {
  return writes.flatMap(({ stream, bytes }) => piecesOf(bytes).map((text) => entry(stream, text)));
}

function piecesOf(bytes: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const newline = bytes.indexOf('\n', at);
    const end = newline < 0 ? bytes.length : newline + 1;
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}

let written = 0;
function entry(stream: StreamNumber, text: Buffer): Written {
  const full = text.at(-1) === 0x0a;
  const time = `2026-01-01T00:00:00.${String(written++).padStart(9, '0')}+00:00`;
  const head = `${time} ${stream === 1 ? 'stdout' : 'stderr'} ${full ? 'F' : 'P'} `;
  return { stream, text, line: Buffer.concat([Buffer.from(head), text, Buffer.from(full ? '' : '\n')]) };
}

/** Writes of any bytes, with newlines in plenty. */
export const anyWrites: fc.Arbitrary<Write[]> = fc.array(
  fc.record({
    stream: fc.constantFrom<StreamNumber>(1, 2),
    bytes: fc
      .array(fc.oneof(fc.constant(0x0a), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 30 })
      .map((bytes) => Buffer.from(bytes)),
  }),
  { maxLength: 40 },
);
