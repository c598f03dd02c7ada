/** Writes small chunks as large blocks: one block is on its way to the disk while the next one is collected. */
import type { FileHandle } from 'node:fs/promises';

const BLOCK_BYTES = 1 << 20;

export class FileSink {
  readonly #file: FileHandle;
  #chunks: Uint8Array[] = [];
  #collected = 0;
  #position: number;
  #writing: Promise<void> | undefined;

  constructor(file: FileHandle, position = 0) {
    this.#file = file;
    this.#position = position;
  }

  /** Undefined while there is room; else to be awaited before the next chunk. A failed write shows here or in `flush`. */
  write(chunk: Uint8Array): Promise<void> | undefined {
    this.#chunks.push(chunk);
    this.#collected += chunk.length;
    return this.#collected < BLOCK_BYTES ? undefined : this.#send();
  }

  async flush(): Promise<void> {
    if (this.#collected > 0) await this.#send();
    await this.#writing;
  }

  async #send(): Promise<void> {
    await this.#writing;
    const chunks = this.#chunks;
    const at = this.#position;
    this.#position += this.#collected;
    this.#chunks = [];
    this.#collected = 0;
    this.#writing = writeAll(this.#file, chunks, at);
    this.#writing.catch(() => {}); // told to whoever awaits it next
  }
}

/** A disk that fills up takes a part without an error; the rest then has one. */
async function writeAll(file: FileHandle, chunks: readonly Uint8Array[], position: number): Promise<void> {
  const size = chunks.reduce((sum, { length }) => sum + length, 0);
  const { bytesWritten } = await file.writev([...chunks], position);
  if (bytesWritten === size) return;
  const rest = Buffer.concat(chunks).subarray(bytesWritten);
  for (let at = 0; at < rest.length; ) {
    at += (await file.write(rest, at, rest.length - at, position + bytesWritten + at)).bytesWritten;
  }
}
