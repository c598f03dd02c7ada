/** Puts a tar together and hands it on in chunks of some size; waits for whoever takes them. */
import { encodeHeader, type NewTarEntry, padding, TAR_END } from './tar-header.ts';

const CHUNK_BYTES = 256 * 1024;

export class TarWriter {
  readonly #take: (chunk: Buffer) => Promise<void>;
  #chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  #used = 0;
  /** Content of the present entry that is still to come. */
  #owed = 0;
  #size = 0;

  /** `take` gets chunks that are its own from then on. */
  constructor(take: (chunk: Buffer) => Promise<void>) {
    this.#take = take;
  }

  /** Begins an entry, whose content of `sizeBytes` is to follow. */
  async entry(header: NewTarEntry): Promise<void> {
    if (this.#owed > 0) throw new Error(`tar: ${this.#owed} bytes of an entry are missing`);
    await this.#put(encodeHeader(header));
    this.#owed = this.#size = header.sizeBytes ?? 0;
  }

  /** A free place for content, at most `want` bytes long; `wrote` says how much of it was used. */
  async room(want: number): Promise<Buffer> {
    if (this.#used === CHUNK_BYTES) await this.#flush();
    return this.#chunk.subarray(this.#used, Math.min(CHUNK_BYTES, this.#used + Math.min(want, this.#owed)));
  }

  async wrote(bytes: number): Promise<void> {
    this.#used += bytes;
    this.#owed -= bytes;
    if (this.#owed === 0) await this.#put(padding(this.#size));
  }

  async content(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const copied = bytes.copy(await this.room(bytes.length - at), 0, at);
      if (copied === 0) throw new Error('tar: more content than the entry has');
      at += copied;
      await this.wrote(copied);
    }
  }

  /** Zeros for the content that is still owed: a file that was cut while it was read. */
  async fill(): Promise<void> {
    while (this.#owed > 0) {
      const room = await this.room(this.#owed);
      await this.wrote(room.fill(0).length);
    }
  }

  async end(): Promise<void> {
    await this.#put(TAR_END);
    await this.#flush();
  }

  async #put(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      if (this.#used === CHUNK_BYTES) await this.#flush();
      const copied = bytes.copy(this.#chunk, this.#used, at);
      this.#used += copied;
      at += copied;
    }
  }

  async #flush(): Promise<void> {
    const full = this.#chunk.subarray(0, this.#used);
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    this.#used = 0;
    if (full.length > 0) await this.#take(full);
  }
}
