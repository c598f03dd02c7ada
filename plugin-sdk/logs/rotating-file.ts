/**
 * A log file that begins anew at a size: `NAME` is written to, `NAME.1` is the newest of the older ones, `NAME.2.gz` an
 * older one that was compressed. What is written is whole lines or nothing, also when the disk is full.
 */
import {
  closeSync,
  createReadStream,
  createWriteStream,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { FileLimits } from './options.ts';

export const LOG_MODE = 0o640;

export class RotatingFile {
  readonly #path: string;
  readonly #limits: FileLimits;
  #fd: number | undefined;
  #size = 0;
  #inode = 0;
  #compressing: Promise<void> = Promise.resolve();

  constructor(path: string, limits: FileLimits) {
    this.#path = path;
    this.#limits = limits;
  }

  /** Says where the file is, so that a later process can put it back to that. */
  get mark(): string {
    return `${this.#inode}:${this.#size}`;
  }

  /** Opens the file, and takes out of it what was written after `mark`. Throws the system's errors. */
  open(mark = ''): void {
    if (this.#fd !== undefined) return;
    const [inode, known] = mark.split(':').map(Number);
    // Begun after the mark, and so never answered for.
    if (inode !== undefined && inodeOf(this.#path) !== inode && inodeOf(`${this.#path}.1`) === inode) {
      renameSync(`${this.#path}.1`, this.#path);
    }
    const fd = openSync(this.#path, 'a', LOG_MODE);
    const { ino, size } = fstatSync(fd);
    this.#fd = fd;
    this.#inode = ino;
    this.#size = size;
    if (inode === ino && known !== undefined && known < size) {
      ftruncateSync(fd, known);
      this.#size = known;
    }
  }

  /**
   * Writes the lines that end at `ends`, and answers how many of them; fewer than all when the disk became full after a
   * rotation. Throws the system's error when none was written: nothing of them is there then.
   */
  async write(bytes: Buffer, ends: readonly number[]): Promise<number> {
    let done = 0;
    let from = 0;
    while (done < ends.length) {
      try {
        if (this.#isFull()) await this.#rotate();
        this.open();
        const next = this.#fitting(ends, done, from);
        const end = ends[next - 1] ?? from;
        this.#writeWhole(bytes.subarray(from, end));
        done = next;
        from = end;
      } catch (error) {
        if (done === 0) throw error;
        return done;
      }
    }
    return done;
  }

  async close(): Promise<void> {
    this.#close();
    await this.#compressing;
  }

  #isFull(): boolean {
    const { maxBytes } = this.#limits;
    return maxBytes !== undefined && this.#fd !== undefined && this.#size >= maxBytes;
  }

  /** Index past the last line that goes into this file: one that begins below the limit does. */
  #fitting(ends: readonly number[], done: number, from: number): number {
    const { maxBytes = Number.POSITIVE_INFINITY } = this.#limits;
    let next = done + 1;
    while (next < ends.length && this.#size + (ends[next - 1] as number) - from < maxBytes) next += 1;
    return next;
  }

  #writeWhole(bytes: Buffer): void {
    const fd = this.#fd as number;
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      this.#size += bytes.length;
    } catch (error) {
      ftruncateSync(fd, this.#size);
      throw error;
    }
  }

  async #rotate(): Promise<void> {
    await this.#compressing;
    this.#close();
    const { maxFiles, compress } = this.#limits;
    for (const name of this.#names(maxFiles - 1)) rmSync(name, { force: true });
    if (maxFiles === 1) rmSync(this.#path, { force: true });
    for (let number = maxFiles - 2; number >= 1; number -= 1) this.#move(number);
    if (maxFiles > 1) renameSync(this.#path, `${this.#path}.1`);
    if (compress) this.#compressing = compressFile(`${this.#path}.1`);
  }

  #names(number: number): readonly string[] {
    return number < 1 ? [] : [`${this.#path}.${number}`, `${this.#path}.${number}.gz`];
  }

  #move(number: number): void {
    for (const ending of ['', '.gz']) {
      const from = `${this.#path}.${number}${ending}`;
      if (existsSync(from)) renameSync(from, `${this.#path}.${number + 1}${ending}`);
    }
  }

  #close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.#size = 0;
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

/** Replaces the file by a compressed one, or leaves it as it is when there is no room for one. Never rejects. */
async function compressFile(file: string): Promise<void> {
  const half = `${file}.gz.tmp`;
  try {
    await pipeline(createReadStream(file), createGzip(), createWriteStream(half, { mode: LOG_MODE }));
    renameSync(half, `${file}.gz`);
    rmSync(file, { force: true });
  } catch {
    rmSync(half, { force: true });
  }
}

/** The files that there are, the oldest first. */
export function rotatedFiles(path: string, maxFiles: number): { path: string; compressed: boolean }[] {
  const found: { path: string; compressed: boolean }[] = [];
  for (let number = maxFiles - 1; number >= 1; number -= 1) {
    const plain = `${path}.${number}`;
    if (existsSync(plain)) found.push({ path: plain, compressed: false });
    else if (existsSync(`${plain}.gz`)) found.push({ path: `${plain}.gz`, compressed: true });
  }
  return [...found, { path, compressed: false }];
}
