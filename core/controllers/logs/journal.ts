/**
 * The journal of a container's output: `container.log`, which conmon writes, and older segments `container.log.N`, the
 * higher the newer. Segments are numbered for the container's life, so that a position means the same after any restart.
 */
import { closeSync, openSync, readdirSync, readSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';

/** A place in the journal: byte `offset` of segment `segment`. */
export interface JournalPosition {
  readonly segment: number;
  readonly offset: number;
}

export const JOURNAL_START: JournalPosition = { segment: 1, offset: 0 };

export class Journal {
  #file: string;
  #current: number;

  /** `known`: a position in it; segments before that may be gone. */
  constructor(file: string, known: JournalPosition = JOURNAL_START) {
    this.#file = file;
    this.#current = Math.max(known.segment, (olderSegments(file).at(-1) ?? 0) + 1);
  }

  /** Path of the segment that is written to. */
  get file(): string {
    return this.#file;
  }

  /** Its number. */
  get current(): number {
    return this.#current;
  }

  pathOf(segment: number): string {
    return segment === this.#current ? this.#file : `${this.#file}.${segment}`;
  }

  /** Paths of what there is, the oldest first. */
  paths(): readonly string[] {
    const older = olderSegments(this.#file).map((segment) => `${this.#file}.${segment}`);
    return sizeOf(this.#file) === undefined ? older : [...older, this.#file];
  }

  /** The number of the segment after that one; undefined while there is none, and it may still be written to. */
  after(segment: number): number | undefined {
    if (segment >= this.#current) return undefined;
    const next = olderSegments(this.#file).find((older) => older > segment);
    if (next !== undefined) return next;
    return sizeOf(this.#file) === undefined ? undefined : this.#current;
  }

  /** Makes the current segment an older one. Its writer goes on writing to it until it is told to open another. */
  rotate(): void {
    renameSync(this.#file, `${this.#file}.${this.#current}`);
    this.#current += 1;
  }

  /** Bytes of the current segment; undefined before there is one. */
  size(): number | undefined {
    return sizeOf(this.#file);
  }

  /** How much there is from there on. */
  bytesAfter({ segment, offset }: JournalPosition): number {
    const numbers = [...olderSegments(this.#file), this.#current].filter((number) => number >= segment);
    const bytes = numbers.reduce((sum, number) => sum + (sizeOf(this.pathOf(number)) ?? 0), 0);
    return Math.max(0, bytes - offset);
  }

  /** The beginning of the first line that is at least `bytes` after the position. */
  lineAfter({ segment, offset }: JournalPosition, bytes: number): JournalPosition {
    let left = offset + bytes;
    for (let number = segment; number <= this.#current; number += 1) {
      const size = sizeOf(this.pathOf(number)) ?? 0;
      if (left < size || number === this.#current)
        return { segment: number, offset: endOfLine(this.pathOf(number), left) };
      left -= size;
    }
    return { segment: this.#current, offset: 0 };
  }

  /** Removes the segments before that one, but for the newest of them up to `keptBytes` together. */
  removeBefore(segment: number, keptBytes: number): void {
    let kept = 0;
    for (const number of olderSegments(this.#file).toReversed()) {
      kept += sizeOf(this.pathOf(number)) ?? 0;
      if (number < segment && kept > keptBytes) rmSync(this.pathOf(number), { force: true });
    }
  }

  /** Removes everything; the next to be written is another segment. Answers its beginning, to be noted before `remove`. */
  get next(): JournalPosition {
    return { segment: this.#current + 1, offset: 0 };
  }

  removeAll(): void {
    for (const file of this.paths()) rmSync(file, { force: true });
    this.#current += 1;
  }

  /** Moves all of it to another directory, of the same file system. */
  moveTo(dir: string): void {
    for (const file of this.paths()) renameSync(file, path.join(dir, path.basename(file)));
    this.#file = path.join(dir, path.basename(this.#file));
  }
}

/** Numbers of the older segments, the oldest first. */
function olderSegments(file: string): readonly number[] {
  const prefix = `${path.basename(file)}.`;
  let names: readonly string[];
  try {
    names = readdirSync(path.dirname(file));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return names
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .sort((a, b) => a - b);
}

function sizeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.size;
}

const LINE_BYTES = 64 * 1024;

function endOfLine(file: string, offset: number): number {
  if (offset === 0) return 0;
  const fd = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(LINE_BYTES);
    const length = readSync(fd, bytes, 0, LINE_BYTES, offset - 1);
    const newline = bytes.subarray(0, length).indexOf(0x0a);
    return newline < 0 ? offset + length - 1 : offset + newline;
  } finally {
    closeSync(fd);
  }
}
