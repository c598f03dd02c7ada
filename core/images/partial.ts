/**
 * Blobs that are being fetched: `partial/HEX`, named by the digest that is expected. What a download that was cut off has
 * brought stays for the next one, which takes its digest anew; nobody else wanting it, it goes after a day, or earlier
 * when there is much of it.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { digestHex, requireSame } from './digest.ts';
import { FileSink } from './file-sink.ts';

const KEEP_MS = 24 * 3_600_000;
const KEEP_BYTES = 8 * 2 ** 30;
const READ_BYTES = 1 << 20;

export class PartialBlobs {
  readonly #dir: string;
  /** How many count on a file, by hex digits. */
  readonly #users = new Map<string, number>();

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async open(dir: string): Promise<PartialBlobs> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const partials = new PartialBlobs(dir);
    await partials.trim();
    return partials;
  }

  path(digest: string): string {
    return join(this.#dir, digestHex(digest));
  }

  /** Keeps `trim` from taking it away. */
  hold(digest: string): void {
    const hex = digestHex(digest);
    this.#users.set(hex, (this.#users.get(hex) ?? 0) + 1);
  }

  release(digest: string): void {
    const hex = digestHex(digest);
    const left = (this.#users.get(hex) ?? 1) - 1;
    if (left > 0) this.#users.set(hex, left);
    else this.#users.delete(hex);
  }

  /** Goes on with what is there; the caller holds it, and is the only one to write. */
  async resume(digest: string, sizeBytes: number, signal: AbortSignal): Promise<PartialBlob> {
    const path = this.path(digest);
    const file = await open(path, 'a+', 0o600).then(async (opened) => {
      await opened.close();
      return open(path, 'r+'); // an appending descriptor takes no position
    });
    try {
      const found = (await file.stat()).size;
      if (found > sizeBytes) await file.truncate(0);
      const hash = createHash('sha256');
      const known = found > sizeBytes ? 0 : found;
      if (known > 0) {
        const options = { highWaterMark: READ_BYTES, end: known - 1, signal };
        for await (const chunk of createReadStream(path, options)) hash.update(chunk as Buffer);
      }
      return new PartialBlob(file, path, digest, hash, known);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Removes what nobody counts on: all of it, or what is old or too much. */
  async trim({ all = false } = {}): Promise<void> {
    const names = (await readdir(this.#dir)).filter((name) => !this.#users.has(name));
    const files = await Promise.all(
      names.map(async (name) => ({ name, ...(await statOf(join(this.#dir, name))) })),
    );
    let total = 0;
    for (const { name, size, mtimeMs } of files.sort((a, b) => b.mtimeMs - a.mtimeMs)) {
      total += size;
      const isKept = !all && mtimeMs > Date.now() - KEEP_MS && total <= KEEP_BYTES;
      if (!isKept && !this.#users.has(name)) await rm(join(this.#dir, name), { force: true });
    }
  }
}

/** One of them, open for more. `close` in any case. */
export class PartialBlob implements AsyncDisposable {
  readonly path: string;
  readonly #digest: string;
  readonly #file: FileHandle;
  readonly #sink: FileSink;
  readonly #hash: Hash;
  #sizeBytes: number;

  constructor(file: FileHandle, path: string, digest: string, hash: Hash, sizeBytes: number) {
    this.path = path;
    this.#file = file;
    this.#digest = digest;
    this.#hash = hash;
    this.#sizeBytes = sizeBytes;
    this.#sink = new FileSink(file, sizeBytes);
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    this.#hash.update(chunk);
    this.#sizeBytes += chunk.length;
    return this.#sink.write(chunk);
  }

  /** All is there. Errors: InvalidArgument when it is not what was asked for: then nothing of it is kept. */
  async finish(): Promise<void> {
    await this.#sink.flush();
    const actual = `sha256:${this.#hash.digest('hex')}`;
    if (actual !== this.#digest) await rm(this.path, { force: true });
    requireSame('filesystem layer verification failed', actual, this.#digest);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sink.flush().catch(() => {});
    await this.#file.close();
  }
}

async function statOf(path: string): Promise<{ size: number; mtimeMs: number }> {
  return stat(path).catch(() => ({ size: 0, mtimeMs: 0 }));
}
