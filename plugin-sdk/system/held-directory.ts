/**
 * A directory tree that somebody else may change at any moment, read without following anything he puts in the way: each
 * directory is held open, and its entries are reached through its descriptor.
 *
 * Names and paths are byte strings: each character is one byte (latin1), since a file's name need not be UTF-8.
 */
import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readlink } from 'node:fs/promises';

const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

export class HeldDirectory {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** `path` itself is the caller's: nobody else can change it or what it leads through. */
  static async open(path: string): Promise<HeldDirectory> {
    return new HeldDirectory(await open(path, DIRECTORY));
  }

  /** Sorted; empty when the directory has been removed meanwhile. */
  async names(): Promise<readonly string[]> {
    const names = await readdir(this.#at(''), { encoding: 'latin1' }).catch(vanished);
    return (names ?? []).sort();
  }

  /** Of the entry itself, never of what a link points at; undefined when it is gone. */
  async stat(name: string): Promise<BigIntStats | undefined> {
    return lstat(this.#at(name), { bigint: true }).catch(vanished);
  }

  /** Where a symbolic link points; undefined when it is gone or something else by now. */
  async target(name: string): Promise<string | undefined> {
    return readlink(this.#at(name), { encoding: 'latin1' }).catch(vanished);
  }

  /** Undefined when it is gone or no directory any more. The caller closes it. */
  async down(name: string): Promise<HeldDirectory | undefined> {
    const handle = await open(this.#at(name), DIRECTORY).catch(vanished);
    return handle && new HeldDirectory(handle);
  }

  /** A path of an entry, good for one call and as long as the directory is held. */
  path(name: string): Buffer {
    return this.#at(name);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #at(name: string): Buffer {
    return Buffer.from(`/proc/self/fd/${this.#handle.fd}/${name}`, 'latin1');
  }
}

/** What `open` or `lstat` say of an entry that somebody has removed or replaced since its name was read. */
const GONE: readonly (string | undefined)[] = ['ENOENT', 'ENOTDIR', 'ELOOP', 'EINVAL', 'ESTALE'];

function vanished(error: NodeJS.ErrnoException): undefined {
  if (!GONE.includes(error.code)) throw error;
}

/** Apparent sizes, as Docker's SizeRw; a file with several names counts once; the top directory does not count. */
export async function treeUsage(
  root: string,
  signal?: AbortSignal,
): Promise<{ sizeBytes: number; inodes: number }> {
  const linked = new Set<bigint>();
  let sizeBytes = 0;
  let inodes = 0;
  const count = async (directory: HeldDirectory): Promise<void> => {
    for (const name of await directory.names()) {
      signal?.throwIfAborted();
      const found = await directory.stat(name);
      if (!found || (found.nlink > 1n && !found.isDirectory() && linked.has(found.ino))) continue;
      inodes += 1;
      if (!found.isDirectory()) {
        if (found.nlink > 1n) linked.add(found.ino);
        sizeBytes += Number(found.size);
        continue;
      }
      await using below = await directory.down(name);
      if (below) await count(below);
    }
  };
  await using top = await HeldDirectory.open(root);
  await count(top);
  return { sizeBytes, inodes };
}
