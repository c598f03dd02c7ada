/** Where the last lines of a log begin, found from its end: however long the log is, only they are read. */
import { read } from 'node:fs';
import { promisify } from 'node:util';
import {
  type CriEntry,
  LONGEST_BYTES,
  type ParseLines,
  type StreamNumber,
} from '@gantry/plugin-sdk/logs/cri.ts';
import { type LogFile, unpack } from './log-files.ts';
import { PARSERS } from './read-log.ts';

const readAt = promisify(read);
const BLOCK_BYTES = 64 * 1024;
/** How much further back to look for the beginning of a line whose pieces stand between lines of the other stream. */
const LOOK_BACK_BYTES = 1 << 20;

export interface LogPosition {
  /** Index of the file, and where in it to begin. */
  readonly file: number;
  readonly offset: number;
  /** Entries of each stream, from there on, that belong to earlier lines. */
  readonly skip: Map<StreamNumber, number>;
}

/** The beginning of the last `count` lines of both streams together. `files`: the oldest first; those looked at are unpacked. */
export async function tailPosition(files: LogFile[], count: number): Promise<LogPosition> {
  const search = new TailSearch(count);
  const last = files.length - 1;
  let found: LogPosition = { file: Math.max(0, last), offset: files[last]?.size ?? 0, skip: new Map() };
  for (let file = last; file >= 0; file -= 1) {
    if (file < last && search.over) return found;
    const one = await unpack(files[file] as LogFile);
    files[file] = one;
    for await (const { bytes, offset, entries } of blocksBackwards(one, PARSERS[one.framing])) {
      for (const entry of entries.toReversed()) {
        if (search.takes(entry)) found = { file, offset: offset + entry.start, skip: search.skipped() };
        if (search.over) return found;
      }
      search.looked(bytes);
      if (search.over) return found;
    }
  }
  return found;
}

/** Is shown entry after entry, the last first, and says of each whether it is one of the wanted lines. */
class TailSearch {
  readonly #count: number;
  #lines = 0;
  #looked = 0;
  /** Streams of which an entry is wanted; streams of which the earlier ones are not. */
  readonly #seen = new Set<StreamNumber>();
  readonly #done = new Set<StreamNumber>();
  readonly #skip = new Map<StreamNumber, number>();

  constructor(count: number) {
    this.#count = count;
  }

  get over(): boolean {
    if (this.#lines < this.#count) return false;
    const complete = [...this.#seen].every((stream) => this.#done.has(stream));
    return complete || this.#looked > LOOK_BACK_BYTES;
  }

  takes({ stream, partial }: CriEntry): boolean {
    const endsLine = !partial || !(this.#seen.has(stream) || this.#done.has(stream));
    if (endsLine && this.#lines === this.#count) this.#done.add(stream);
    if (this.#done.has(stream)) {
      this.#skip.set(stream, (this.#skip.get(stream) ?? 0) + 1);
      return false;
    }
    if (endsLine) this.#lines += 1;
    this.#seen.add(stream);
    return true;
  }

  looked(bytes: number): void {
    if (this.#lines === this.#count) this.#looked += bytes;
  }

  skipped(): Map<StreamNumber, number> {
    return new Map(this.#skip);
  }
}

interface Block {
  /** How many bytes were read for it. */
  readonly bytes: number;
  /** Of what the entries' offsets count from, in the file. */
  readonly offset: number;
  readonly entries: readonly CriEntry[];
}

/** The entries of the file, block by block from its end; what is no whole line at its end is passed over. */
async function* blocksBackwards({ fd, size }: LogFile, parse: ParseLines): AsyncGenerator<Block> {
  // The beginning of a block belongs to a line that the block before it begins.
  let head = Buffer.alloc(0);
  for (let end = size; end > 0; ) {
    const offset = Math.max(0, end - BLOCK_BYTES);
    const block = Buffer.alloc(end - offset);
    await readAt(fd, block, 0, block.length, offset);
    const bytes = Buffer.concat([block, head]);
    const first = offset === 0 ? 0 : bytes.indexOf('\n') + 1;
    head = offset > 0 && first === 0 ? bytes : bytes.subarray(0, first);
    if (offset === 0 || first > 0)
      yield { bytes: block.length, offset, entries: parse(bytes, first).entries };
    if (head.length > LONGEST_BYTES) head = Buffer.alloc(0);
    end = offset;
  }
}
