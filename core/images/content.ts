/**
 * Blobs by digest: `blobs/sha256/HEX` beneath the store's directory, each verified while it is written and durable once
 * named. What is being written stands in `ingest/` and is nobody's until committed.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, type ReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { syncDirectory, syncFileSystem } from '@gantry/plugin-sdk/system/sync.ts';
import { digestHex, requireSame, sha256 } from './digest.ts';
import { FileSink } from './file-sink.ts';
import { Holds } from './holds.ts';
import { PartialBlobs } from './partial.ts';

const LITTLE_BYTES = 16 << 20;

export interface Blob {
  readonly digest: string;
  readonly sizeBytes: number;
}

/** A blob written but not yet in the store; `path` is where its bytes are until `commit` or `discard`. */
export interface StagedBlob extends Blob {
  readonly path: string;
  /** All of it: for documents, not for layers. */
  bytes(): Promise<Buffer>;
  /** Durable on return; harmless when the store has the blob already. */
  commit(): Promise<void>;
  /** Harmless after `commit`. */
  discard(): Promise<void>;
}

export class ContentStore {
  /** By digest; see `ContentLease`. */
  readonly holds = new Holds();
  readonly #blobs: string;
  readonly #ingest: string;
  /** What is being fetched. */
  readonly partials: PartialBlobs;

  private constructor(directory: string, partials: PartialBlobs) {
    this.#blobs = join(directory, 'blobs', 'sha256');
    this.#ingest = join(directory, 'ingest');
    this.partials = partials;
  }

  /** Makes the directories, and removes what a crash left half written. One store per directory. */
  static async open(directory: string): Promise<ContentStore> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const store = new ContentStore(directory, await PartialBlobs.open(join(directory, 'partial')));
    await rm(store.#ingest, { recursive: true, force: true });
    await mkdir(store.#ingest, { recursive: true, mode: 0o700 });
    await mkdir(store.#blobs, { recursive: true, mode: 0o700 });
    return store;
  }

  /** Writes a stream down and takes its digest. Nothing is left behind when it throws. */
  async stage(source: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<StagedBlob> {
    const path = join(this.#ingest, randomBytes(12).toString('hex'));
    try {
      await using file = await open(path, 'wx', 0o600);
      const { digest, sizeBytes } = await writeHashed(file, source, signal);
      return this.#staged(path, digest, sizeBytes);
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  /** Errors: InvalidArgument when the bytes have another digest than `expected`; nothing is kept then. */
  async put(
    source: AsyncIterable<Uint8Array> | Uint8Array,
    { expected, signal }: { expected?: string; signal?: AbortSignal } = {},
  ): Promise<Blob> {
    const staged = await this.stage(source instanceof Uint8Array ? Readable.from([source]) : source, signal);
    try {
      if (expected !== undefined) requireSame('blob', staged.digest, expected);
      await staged.commit();
    } finally {
      await staged.discard();
    }
    return { digest: staged.digest, sizeBytes: staged.sizeBytes };
  }

  /** Takes in what was fetched and verified, and is held. Durable after `sync`. Harmless when it is there already. */
  async adopt(digest: string): Promise<void> {
    if (await this.has(digest)) await rm(this.partials.path(digest), { force: true });
    else await rename(this.partials.path(digest), this.path(digest));
  }

  /** Makes everything that was adopted durable. */
  async sync(): Promise<void> {
    await syncFileSystem(this.#blobs);
  }

  /** Where the bytes of a blob are that is here or was fetched. */
  async located(digest: string): Promise<string> {
    return (await this.has(digest)) ? this.path(digest) : this.partials.path(digest);
  }

  /** Where the blob's bytes are, whether or not it is there. */
  path(digest: string): string {
    return join(this.#blobs, digestHex(digest));
  }

  /** Errors: NotFound. */
  async open(digest: string): Promise<ReadStream> {
    await this.size(digest);
    return createReadStream(this.path(digest), { highWaterMark: 256 * 1024 });
  }

  /** A small blob whole, verified. Errors: NotFound, Internal when the disk no longer holds what was written. */
  async read(digest: string): Promise<Buffer> {
    await this.size(digest);
    const bytes = await readFile(this.path(digest));
    if (sha256(bytes) !== digest) {
      throw new HostError(
        'Internal',
        'BLOB_DAMAGED',
        `read blob ${digest}: its bytes have the digest ${sha256(bytes)}`,
      );
    }
    return bytes;
  }

  async has(digest: string): Promise<boolean> {
    return (await this.#stat(digest)) !== undefined;
  }

  /** Bytes. Errors: NotFound. */
  async size(digest: string): Promise<number> {
    const found = await this.#stat(digest);
    if (found) return found.size;
    throw new HostError('NotFound', 'BLOB_NOT_FOUND', `read blob: no blob ${digest}`);
  }

  /** Harmless when absent. Not synced: a blob that comes back after a power cut is unreferenced, no more. */
  async remove(digest: string): Promise<void> {
    await rm(this.path(digest), { force: true });
  }

  /** Removes every blob that nobody holds and that is not used, `isUsed` told anew for each. */
  async collect(isUsed: (digest: string) => boolean): Promise<void> {
    for (const digest of await this.list()) {
      if (isUsed(digest)) continue;
      await this.holds.removeUnheld(
        digest,
        () => isUsed(digest),
        () => this.remove(digest),
      );
    }
  }

  /** Whether its file system has no room to speak of. */
  async isFull(): Promise<boolean> {
    const { bavail, bsize } = await statfs(this.#blobs);
    return bavail * bsize < LITTLE_BYTES;
  }

  async list(): Promise<readonly string[]> {
    return (await readdir(this.#blobs)).map((hex) => `sha256:${hex}`);
  }

  #stat(digest: string) {
    return stat(this.path(digest)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
  }

  #staged(path: string, digest: string, sizeBytes: number): StagedBlob {
    return {
      path,
      digest,
      sizeBytes,
      bytes: () => readFile(path),
      commit: async () => {
        if (await this.has(digest)) return;
        await using file = await open(path);
        await file.datasync();
        await rename(path, this.path(digest));
        await syncDirectory(this.#blobs);
      },
      discard: () => rm(path, { force: true }),
    };
  }
}

async function writeHashed(
  file: FileHandle,
  source: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<Blob> {
  const hash = createHash('sha256');
  const sink = new FileSink(file);
  let sizeBytes = 0;
  for await (const chunk of source) {
    signal?.throwIfAborted();
    hash.update(chunk);
    sizeBytes += chunk.length;
    await sink.write(chunk);
  }
  await sink.flush();
  return { digest: `sha256:${hash.digest('hex')}`, sizeBytes };
}
