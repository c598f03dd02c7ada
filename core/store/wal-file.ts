/**
 * The WAL's file. It is written full once, so that later syncs find its blocks allocated and have no metadata to write:
 * 0.1 ms instead of 1. SQLite removes it when it closes the database; its blocks are kept then under another name, for
 * writing them anew takes a tenth of a second of the disk, and of the start some 10 ms.
 */
import { closeSync, existsSync, linkSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';

/**
 * A transaction takes some 8 to 20 KiB of it; a checkpoint, after which SQLite begins again at its start, comes in time.
 */
const BYTES = 24 * 1024 * 1024;
/** A WAL that a checkpoint could not keep small is not worth its room. */
const MOST_BYTES = 4 * BYTES;
/** SQLite takes a WAL whose header is not valid for an empty one. Source: its file format, section 4.1. */
const HEADER_BYTES = 32;

export class WalFile {
  readonly path: string;
  readonly #spare: string;

  constructor(database: string) {
    this.path = `${database}-wal`;
    this.#spare = `${database}-spare`;
  }

  /** Before SQLite opens the database: puts the blocks of the last time in place, emptied. */
  reuse(): void {
    if (!existsSync(this.#spare)) return;
    if (existsSync(this.path)) {
      rmSync(this.#spare); // a crash came between: the name is that of the same file, or SQLite kept its own
      return;
    }
    const descriptor = openSync(this.#spare, 'r+');
    writeSync(descriptor, Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    closeSync(descriptor);
    renameSync(this.#spare, this.path);
  }

  get isFull(): boolean {
    return sizeOf(this.path) >= BYTES;
  }

  /** Writes it full of zeros; it must be empty, and SQLite may not write before this has ended. */
  async fill(): Promise<void> {
    const zeros = Buffer.alloc(1024 * 1024);
    await using file = await open(this.path, 'r+');
    for (let at = 0; at < BYTES; at += zeros.length) await file.write(zeros, 0, zeros.length, at);
  }

  /** Around the closing of the database: keeps the blocks when SQLite has no more use for them. */
  keepOver(close: () => void): void {
    rmSync(this.#spare, { force: true });
    if (this.isFull && sizeOf(this.path) <= MOST_BYTES) linkSync(this.path, this.#spare);
    close();
    // Still there: not all of it could be brought into the database.
    if (existsSync(this.path)) rmSync(this.#spare, { force: true });
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
