/**
 * Unpacks a tar into a directory of a tree whose owner may change it meanwhile: every path is resolved inside the root, and
 * every file made, changed or removed through its directory's descriptor. Names are byte strings.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readlinkSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { mknod, S_IFBLK, S_IFCHR, S_IFIFO } from '@gantry/plugin-sdk/system/nodes.ts';
import { O_DIRECTORY, O_PATH, openInRoot } from '@gantry/plugin-sdk/system/open-in-root.ts';
import { lsetxattr } from '@gantry/plugin-sdk/system/xattr.ts';
import { type TarHeader, utf8 } from '../archive/tar-header.ts';
import type { TarEntry } from '../archive/tar-reader.ts';
import { entryPath, entryStat, isGone, openDirectory, removeEntry } from './entry.ts';
import type { WriteRules } from './jobs.ts';

const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** What is shorter would make no hole. */
const BLOCK_BYTES = 4096;
const HOLE = Buffer.alloc(64 * 1024);
/** Year 2242: what every file system here can hold. */
const MAX_TIME = 2 ** 33;

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface WriteOptions {
  readonly rules: WriteRules;
  /** A directory and what is none do not take each other's place. */
  readonly keepKinds: boolean;
  readonly owner: Owner | undefined;
  readonly check: () => void;
}

/** Where archives go: an existing directory. Errors: NotFound as errno, InvalidArgument, PermissionDenied. */
export class WriteTree {
  readonly #root: number;
  readonly #path: string;
  readonly #options: WriteOptions;
  /** The parent of the last entry, held open. */
  #parent: { readonly name: string; readonly descriptor: number } | undefined;
  /** A directory's time changes with all that is put into it, so each gets its own at the end. */
  readonly #times = new Map<string, number>();

  constructor(root: number, path: string, options: WriteOptions) {
    this.#root = root;
    this.#options = options;
    this.#path = destination(root, path, options.rules);
  }

  async unpack(entries: AsyncIterable<TarEntry>): Promise<void> {
    try {
      for await (const entry of entries) {
        this.#options.check();
        await this.#put(entry);
      }
      for (const [name, mtime] of this.#times) this.#setTime(name, mtime);
    } finally {
      this.#forget();
    }
  }

  async #put(entry: TarEntry): Promise<void> {
    const name = insideName(entry.header.name);
    if (name === '') return; // the destination itself stays as it is
    const base = name.slice(name.lastIndexOf('/') + 1);
    const parent = this.#open(name.slice(0, Math.max(0, name.length - base.length - 1)));
    const isDirectory = entry.header.kind === 'directory';
    const found = entryStat(parent, base);
    if (found) {
      if (this.#options.keepKinds) this.#refuseOther(name, found.isDirectory(), isDirectory);
      if (!(found.isDirectory() && isDirectory)) {
        removeEntry(parent, base);
        this.#forget();
        return this.#make(
          entry,
          name,
          this.#open(name.slice(0, Math.max(0, name.length - base.length - 1))),
          base,
        );
      }
    }
    await this.#make(entry, name, parent, base);
  }

  async #make({ header, body }: TarEntry, name: string, parent: number, base: string): Promise<void> {
    const { kind } = header;
    const path = entryPath(parent, base);
    if (kind === 'file') return this.#file(header, body, path);
    if (kind === 'directory') return this.#directory(header, name, parent, base);
    if (kind === 'hardlink') return this.#link(header, path);
    if (kind === 'symlink') symlinkSync(Buffer.from(header.linkName, 'latin1'), path);
    else mknod(path, NODES[kind] | header.mode, header.device);
    const { uid, gid } = this.#owner(header);
    lchownSync(path, uid, gid);
    const time = boundedTime(header.mtime);
    lutimesSync(path, time, time);
  }

  async #file(header: TarHeader, body: AsyncIterable<Buffer>, path: Buffer): Promise<void> {
    const file = openSync(path, NEW_FILE, 0o600);
    try {
      await writeSparsely(file, body, this.#options.check);
      this.#describe(file, path, header);
      futimesSync(file, boundedTime(header.mtime), boundedTime(header.mtime));
    } catch (error) {
      // Half of a file would be taken for all of it.
      try {
        unlinkSync(path);
      } catch {}
      throw error;
    } finally {
      closeSync(file);
    }
  }

  #directory(header: TarHeader, name: string, parent: number, base: string): void {
    if (!entryStat(parent, base)) mkdirSync(entryPath(parent, base), 0o700);
    const directory = openDirectory(parent, base);
    if (directory === undefined) return; // somebody has removed it again
    try {
      this.#describe(directory, entryPath(parent, base), header);
      this.#times.set(name, header.mtime);
    } finally {
      closeSync(directory);
    }
  }

  #link(header: TarHeader, path: Buffer): void {
    const target = insideName(header.linkName);
    const base = target.slice(target.lastIndexOf('/') + 1);
    const dir = openInRoot(
      this.#root,
      `${this.#path}/${target.slice(0, -base.length - 1)}`,
      O_PATH | O_DIRECTORY,
    );
    try {
      linkSync(entryPath(dir, base), path);
    } finally {
      closeSync(dir);
    }
  }

  /** In this order: a change of owner clears set-id bits and capabilities. */
  #describe(descriptor: number, path: Buffer, header: TarHeader): void {
    const { uid, gid } = this.#owner(header);
    fchownSync(descriptor, uid, gid);
    fchmodSync(descriptor, header.mode);
    for (const [name, value] of header.xattrs) {
      if (!name.startsWith('user.') && name !== 'security.capability') continue;
      try {
        lsetxattr(path, name, value);
      } catch (error) {
        // As Docker: an attribute that this file system cannot hold is left out.
        if (!['ENOTSUP', 'EOPNOTSUPP', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? ''))
          throw error;
      }
    }
  }

  #owner({ uid, gid }: TarHeader): Owner {
    return this.#options.owner ?? { uid, gid };
  }

  /** The directory `name`, made with its parents where it is missing. */
  #open(name: string): number {
    if (this.#parent?.name === name) return this.#parent.descriptor;
    this.#forget();
    const descriptor = this.#openOrMake(name);
    this.#parent = { name, descriptor };
    return descriptor;
  }

  #openOrMake(name: string): number {
    const path = `${this.#path}/${name}`;
    try {
      return openInRoot(this.#root, path, O_PATH | O_DIRECTORY);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || name === '') throw error;
    }
    const base = name.slice(name.lastIndexOf('/') + 1);
    const parent = this.#openOrMake(name.slice(0, Math.max(0, name.length - base.length - 1)));
    try {
      mkdirSync(entryPath(parent, base), 0o755);
      const { uid, gid } = this.#options.owner ?? { uid: 0, gid: 0 };
      lchownSync(entryPath(parent, base), uid, gid);
    } finally {
      closeSync(parent);
    }
    return openInRoot(this.#root, path, O_PATH | O_DIRECTORY);
  }

  #forget(): void {
    if (this.#parent) closeSync(this.#parent.descriptor);
    this.#parent = undefined;
  }

  #setTime(name: string, mtime: number): void {
    try {
      const directory = openInRoot(this.#root, `${this.#path}/${name}`, DIRECTORY);
      try {
        futimesSync(directory, boundedTime(mtime), boundedTime(mtime));
      } finally {
        closeSync(directory);
      }
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  #refuseOther(name: string, wasDirectory: boolean, isDirectory: boolean): void {
    if (wasDirectory === isDirectory) return;
    const [old, next] = wasDirectory ? ['directory', 'non-directory'] : ['non-directory', 'directory'];
    const at = utf8(`${this.#path === '/' ? '' : this.#path}/${name}`);
    const message = `cannot overwrite ${old} "${at}" with ${next} "${utf8(this.#path)}"`;
    throw new HostError('InvalidArgument', 'ARCHIVE_OTHER_KIND', message);
  }
}

const NODES = { character: S_IFCHR, block: S_IFBLK, fifo: S_IFIFO } as const;

/** The directory that `path` leads to, as a path in the root. */
function destination(root: number, path: string, { readOnlyRoot, mounts }: WriteRules): string {
  const descriptor = openInRoot(root, path, O_PATH);
  try {
    if (!fstatSync(descriptor).isDirectory()) {
      throw new HostError('InvalidArgument', 'NOT_A_DIRECTORY', 'extraction point is not a directory');
    }
    const [top, found] = [root, descriptor].map(pathOf) as [string, string];
    const at = top === '/' ? found : found.slice(top.length) || '/';
    const mount = mounts.findLast(({ target }) => at === target || at.startsWith(`${target}/`));
    if (mount ? mount.readOnly : readOnlyRoot) {
      const what = mount ? 'mounted volume' : 'container rootfs';
      throw new HostError('PermissionDenied', 'READ_ONLY', `${what} is marked read-only`);
    }
    return at;
  } finally {
    closeSync(descriptor);
  }
}

/** As the kernel names it, from the root of its mount namespace. */
function pathOf(descriptor: number): string {
  return readlinkSync(`/proc/self/fd/${descriptor}`, { encoding: 'latin1' });
}

/** Without leading slashes; '' for the destination itself. Errors: InvalidArgument for one that climbs out. */
function insideName(name: string): string {
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined || name.includes('\0')) {
      throw new HostError(
        'InvalidArgument',
        'ARCHIVE_NAME',
        `unpack "${utf8(name)}": it is outside of the destination`,
      );
    }
  }
  return parts.join('/');
}

/** Long runs of zeros become holes. */
async function writeSparsely(file: number, body: AsyncIterable<Buffer>, check: () => void): Promise<void> {
  let at = 0;
  let hasHole = false;
  for await (const chunk of body) {
    check();
    for (let from = 0; from < chunk.length; from += HOLE.length) {
      const piece = chunk.subarray(from, from + HOLE.length);
      hasHole = piece.length >= BLOCK_BYTES && piece.equals(HOLE.subarray(0, piece.length));
      for (let done = 0; !hasHole && done < piece.length; )
        done += writeSync(file, piece, done, piece.length - done, at + done);
      at += piece.length;
    }
  }
  if (hasHole) ftruncateSync(file, at);
}

function boundedTime(mtime: number): number {
  return Math.min(Math.max(mtime, 0), MAX_TIME);
}
