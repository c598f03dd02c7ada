/** The entries of a container's log, from its older files to the newest, and on while it grows. */
import { read } from 'node:fs';
import { promisify } from 'node:util';
import {
  type CriEntry,
  CriParser,
  type ParseLines,
  parseEntries,
  type StreamNumber,
} from '@gantry/plugin-sdk/logs/cri.ts';
import { parseJsonLines } from '@gantry/plugin-sdk/logs/json-file.ts';
import type { LogGrowth } from './growth.ts';
import { closeLog, type ListFiles, type LogFile, openLog, openNext, unpack } from './log-files.ts';
import { tailPosition } from './tail.ts';

const readAt = promisify(read);
const CHUNK_BYTES = 128 * 1024;

export const PARSERS: Readonly<Record<LogFile['framing'], ParseLines>> = {
  cri: parseEntries,
  'json-file': parseJsonLines,
};

export interface LogRead {
  readonly list: ListFiles;
  /** Number of lines from the end; all when it is negative. */
  readonly tail: number;
  /** Follow the log until it ends. */
  readonly growth?: LogGrowth | undefined;
}

/** Entries refer to a buffer that the next round writes over. */
export async function* readLog({ list, tail, growth }: LogRead): AsyncGenerator<readonly CriEntry[]> {
  const files = openLog(await list());
  try {
    const start = tail < 0 ? undefined : await tailPosition(files, tail);
    const reader = new LogReader(start?.skip);
    for (let index = start?.file ?? 0; index < files.length; index += 1) {
      const one = await unpack(files[index] as LogFile);
      files[index] = one;
      const offset = index === start?.file ? start.offset : 0;
      yield* reader.entries(one, offset, one.size);
    }
    if (growth) yield* follow(list, files, reader, growth);
  } finally {
    closeLog(files);
  }
}

/** `files`: those that are open; the last is read on, and what comes after it is added. */
async function* follow(
  list: ListFiles,
  files: LogFile[],
  reader: LogReader,
  growth: LogGrowth,
): AsyncGenerator<readonly CriEntry[]> {
  while (true) {
    const { end } = growth;
    const current = files.at(-1);
    // Looked for before the rest is read: once there is a next one, nothing is written to the current any more.
    const next = await nextFile(list, current);
    if (next) files.push(next);
    if (current) {
      const isLast = end?.file?.inode === current.inode;
      yield* reader.entries(current, reader.offset, isLast ? end.file.size : undefined);
      if (isLast) return;
    }
    if (next) {
      reader.offset = 0;
      closeLog(files.splice(0, files.length - 1));
    } else if (end) return;
    else await growth.next();
  }
}

async function nextFile(list: ListFiles, current: LogFile | undefined): Promise<LogFile | undefined> {
  const files = await list();
  const next = current ? openNext(files, current.inode) : openLog(files.slice(0, 1))[0];
  return next && unpack(next);
}

class LogReader {
  offset = 0;
  readonly #skip: Map<StreamNumber, number>;
  readonly #chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  #framing: LogFile['framing'] = 'cri';
  #parser = new CriParser();

  constructor(skip: Map<StreamNumber, number> = new Map()) {
    this.#skip = skip;
  }

  /** Up to `end`, or to what there is; `offset` then says where. */
  async *entries(
    { fd, framing }: LogFile,
    from: number,
    end = Number.POSITIVE_INFINITY,
  ): AsyncGenerator<readonly CriEntry[]> {
    if (framing !== this.#framing) {
      this.#framing = framing;
      this.#parser = new CriParser(PARSERS[framing]);
    }
    this.offset = from;
    while (this.offset < end) {
      const length = Math.min(CHUNK_BYTES, end - this.offset);
      const { bytesRead } = await readAt(fd, this.#chunk, 0, length, this.offset);
      if (bytesRead === 0) return;
      this.offset += bytesRead;
      const entries = this.#parser.push(this.#chunk.subarray(0, bytesRead));
      yield this.#skip.size > 0 ? entries.filter((entry) => !this.#skips(entry)) : entries;
    }
  }

  #skips({ stream }: CriEntry): boolean {
    const left = this.#skip.get(stream);
    if (left === undefined) return false;
    if (left > 1) this.#skip.set(stream, left - 1);
    else this.#skip.delete(stream);
    return true;
  }
}
