/**
 * Files as tar entries, whoever changes them meanwhile: each is reached through its directory's descriptor, no link is
 * followed, and nothing but a regular file is opened. Names are byte strings.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readlinkSync,
  readSync,
  statfsSync,
} from 'node:fs';
import { O_PATH } from '@gantry/plugin-sdk/system/open-in-root.ts';
import { lgetxattr, llistxattr } from '@gantry/plugin-sdk/system/xattr.ts';
import type { TarHeader, TarKind } from '../archive/tar-header.ts';
import type { TarWriter } from '../archive/tar-writer.ts';
import { entryPath, entryStat, isGone, namesIn, openDirectory } from './entry.ts';

/** As long as the kernel takes a path; what lies deeper can be named by nobody. */
const MAX_NAME = 4095;

/** File systems that are the kernel's own words: their files have no size, or no end. Source: linux/magic.h. */
const PSEUDO = new Set([
  0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x1cd1, 0x19800202, 0x64626720, 0x74726163, 0x73636673,
  0xcafe4a11, 0x6e736673, 0x62656570,
]);

export class TreeReader {
  readonly #tar: TarWriter;
  /** Files of several names that were written: device and inode → first name. */
  readonly #linked = new Map<string, string>();
  /** Throws when the job is to end. */
  readonly #check: () => void;

  constructor(tar: TarWriter, check: () => void) {
    this.#tar = tar;
    this.#check = check;
  }

  /** The directory's entries, each under `prefix`, with all below them. */
  async inside(directory: number, prefix: string): Promise<void> {
    const { dev } = fstatSync(directory, { bigint: true });
    for (const name of namesIn(directory)) await this.entry(directory, name, prefix + name, dev);
  }

  /** One entry as `as`, and with `dev`, its directory's device, all that is below it. */
  async entry(directory: number, name: string, as: string, dev?: bigint): Promise<void> {
    this.#check();
    const stat = entryStat(directory, name);
    if (!stat || as.length > MAX_NAME) return;
    if (stat.isDirectory()) return this.#directory(directory, name, as, stat, dev);
    const first = this.#firstName(stat, as);
    const common = { ...headerOf(stat, entryPath(directory, name)), name: as };
    if (first !== undefined)
      return this.#tar.entry({ ...common, kind: 'hardlink', linkName: first, xattrs: new Map() });
    if (stat.isFile()) return this.#file(directory, name, as);
    if (stat.isSymbolicLink()) {
      const linkName = targetOf(entryPath(directory, name));
      return linkName === undefined ? undefined : this.#tar.entry({ ...common, kind: 'symlink', linkName });
    }
    const kind = kindOf(stat);
    if (kind) await this.#tar.entry({ ...common, kind, device: deviceOf(stat.rdev) });
  }

  /** The directory that `descriptor` is, itself and all that is below it. */
  async whole(descriptor: number, as: string): Promise<void> {
    const stat = fstatSync(descriptor, { bigint: true });
    const name = as.endsWith('/') ? as : `${as}/`;
    await this.#tar.entry({
      ...headerOf(stat, Buffer.from(`/proc/self/fd/${descriptor}/.`)),
      name,
      kind: 'directory',
    });
    await this.inside(descriptor, name);
  }

  async #directory(
    parent: number,
    name: string,
    as: string,
    stat: BigIntStats,
    dev: bigint | undefined,
  ): Promise<void> {
    const header = headerOf(stat, entryPath(parent, name));
    await this.#tar.entry({ ...header, name: `${as}/`, kind: 'directory' });
    if (dev === undefined) return;
    const directory = openDirectory(parent, name);
    if (directory === undefined) return;
    try {
      const isMount = fstatSync(directory, { bigint: true }).dev !== dev;
      if (!isMount || !isPseudo(directory)) await this.inside(directory, `${as}/`);
    } finally {
      closeSync(directory);
    }
  }

  async #file(directory: number, name: string, as: string): Promise<void> {
    const file = openFile(entryPath(directory, name));
    if (!file) return;
    try {
      const sizeBytes = Number(file.stat.size);
      await this.#tar.entry({
        ...headerOf(file.stat, entryPath(directory, name)),
        name: as,
        kind: 'file',
        sizeBytes,
      });
      for (let at = 0; at < sizeBytes; ) {
        this.#check();
        const room = await this.#tar.room(sizeBytes - at);
        const read = readSync(file.descriptor, room, 0, room.length, at);
        if (read === 0) break;
        at += read;
        await this.#tar.wrote(read);
      }
      await this.#tar.fill(); // it was cut meanwhile
    } finally {
      closeSync(file.descriptor);
    }
  }

  #firstName(stat: BigIntStats, as: string): string | undefined {
    if (stat.nlink < 2n || stat.isSocket()) return undefined;
    const key = `${stat.dev}/${stat.ino}`;
    const first = this.#linked.get(key);
    if (first === undefined) this.#linked.set(key, as);
    return first;
  }
}

/** A regular file, open for reading; undefined when it is something else by now. */
function openFile(path: Buffer): { readonly descriptor: number; readonly stat: BigIntStats } | undefined {
  let named: number | undefined;
  try {
    named = openSync(path, O_PATH | constants.O_NOFOLLOW);
    const stat = fstatSync(named, { bigint: true });
    if (!stat.isFile()) return undefined;
    const descriptor = openSync(`/proc/self/fd/${named}`, constants.O_RDONLY | constants.O_NONBLOCK);
    return { descriptor, stat };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  } finally {
    if (named !== undefined) closeSync(named);
  }
}

function targetOf(path: Buffer): string | undefined {
  try {
    return readlinkSync(path, { encoding: 'latin1' });
  } catch (error) {
    if (isGone(error) || (error as NodeJS.ErrnoException).code === 'EINVAL') return undefined;
    throw error;
  }
}

/** Times in whole seconds, as Docker has them: with a fraction every entry would need a header more. */
function headerOf(
  stat: BigIntStats,
  path: Buffer,
): Pick<TarHeader, 'mode' | 'uid' | 'gid' | 'mtime' | 'xattrs'> {
  return {
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtime: Number(stat.mtimeNs / 1_000_000_000n),
    xattrs: xattrsOf(stat, path),
  };
}

function kindOf(stat: BigIntStats): TarKind | undefined {
  if (stat.isCharacterDevice()) return 'character';
  if (stat.isBlockDevice()) return 'block';
  return stat.isFIFO() ? 'fifo' : undefined; // sockets are nothing without who listens
}

/** The user's own, and capabilities of programs; the rest belongs to this file system. */
function xattrsOf(stat: BigIntStats, path: Buffer): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>();
  if (!stat.isFile() && !stat.isDirectory()) return found;
  try {
    for (const name of llistxattr(path)) {
      if (!name.startsWith('user.') && name !== 'security.capability') continue;
      const value = lgetxattr(path, name);
      if (value) found.set(name, Buffer.from(value));
    }
  } catch {
    // It is gone, or its file system has none.
  }
  return found;
}

/** Source: gnu_dev_major(3). */
function deviceOf(rdev: bigint): { major: number; minor: number } {
  const low = Number(rdev & 0xffffffffn);
  const high = Number(rdev >> 32n);
  return { major: ((low >>> 8) & 0xfff) + (high & ~0xfff), minor: (low & 0xff) | ((low >>> 12) & ~0xff) };
}

function isPseudo(directory: number): boolean {
  return PSEUDO.has(statfsSync(`/proc/self/fd/${directory}/.`).type);
}
