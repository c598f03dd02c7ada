/**
 * The outer archive of `docker load`, whatever order its files come in: every file is staged in the content store, and
 * found again by its name, links followed.
 */
import { posix } from 'node:path';
import { decompress } from '../archive/compression.ts';
import { utf8 } from '../archive/tar-header.ts';
import { readTar } from '../archive/tar-reader.ts';
import type { ContentStore, StagedBlob } from './content.ts';
import { badImage } from './image-config.ts';

const MAX_DOCUMENT_BYTES = 8 << 20;
const MAX_LINKS = 8;

export class ArchiveFiles {
  readonly #files = new Map<string, StagedBlob>();
  readonly #links = new Map<string, string>();

  /** Errors: InvalidArgument. What was staged is discarded by `discard`, which the caller owes in any case. */
  async read(
    archive: AsyncIterable<Uint8Array>,
    content: ContentStore,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    for await (const { header, body } of readTar(decompress(archive))) {
      const name = plainName(utf8(header.name));
      const target = utf8(header.linkName);
      if (header.kind === 'file') await this.#add(name, await content.stage(body, signal));
      // A symbolic link is relative to its directory, a hard link to the archive's root.
      if (header.kind === 'symlink')
        this.#links.set(name, plainName(posix.join(posix.dirname(name), target)));
      if (header.kind === 'hardlink') this.#links.set(name, plainName(target));
    }
  }

  get(name: string): StagedBlob | undefined {
    let at = plainName(name);
    for (let links = 0; links < MAX_LINKS; links++) {
      const file = this.#files.get(at);
      if (file) return file;
      const target = this.#links.get(at);
      if (target === undefined) return undefined;
      at = target;
    }
    return undefined;
  }

  /** Errors: InvalidArgument when the archive lacks it. */
  need(name: string): StagedBlob {
    const file = this.get(name);
    if (!file) throw badImage(`the archive has no "${name}"`);
    return file;
  }

  async bytes(file: StagedBlob, name: string): Promise<Buffer> {
    if (file.sizeBytes > MAX_DOCUMENT_BYTES) throw badImage(`"${name}" has ${file.sizeBytes} bytes`);
    return file.bytes();
  }

  async discard(): Promise<void> {
    await Promise.all([...this.#files.values()].map((file) => file.discard()));
  }

  /** As with tar, the later of two files of one name counts. */
  async #add(name: string, file: StagedBlob): Promise<void> {
    await this.#files.get(name)?.discard();
    this.#files.set(name, file);
  }
}

/** Only a key to look up: it never becomes a path. */
function plainName(name: string): string {
  return posix.join('/', name).slice(1).replace(/\/$/, '');
}
