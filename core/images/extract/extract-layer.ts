/**
 * Unpacks the entries of one layer into a directory, in either form that a snapshot driver asks for. Whiteouts
 * (`.wh.NAME`, `.wh..wh..opq`) act on the layers below alone, never on what this layer itself brought, in whatever order
 * they come. Source: OCI image specification, layer.md.
 */
import {
  closeSync,
  constants,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import type { LayerForm } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import { mknod, S_IFBLK, S_IFCHR, S_IFIFO } from '@gantry/plugin-sdk/system/nodes.ts';
import { lsetxattr } from '@gantry/plugin-sdk/system/xattr.ts';
import { byteString, type TarHeader } from '../../archive/tar-header.ts';
import type { TarEntry } from '../../archive/tar-reader.ts';
import { applyMetadata, applyTime } from './metadata.ts';
import { badName, lstat, type Place, raw, ScopedTree } from './scoped-tree.ts';

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
/** What AUFS keeps beside its whiteouts, in the root (`.wh..wh.plnk/`) or any directory. */
const BOOKKEEPING = /(^|\/)\.wh\.\.wh\.(?!\.opq\/?$)/;

const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** `dir`: an existing directory without links in its path; empty for `overlay`. Errors: InvalidArgument. */
export async function extractLayer(
  entries: AsyncIterable<TarEntry>,
  { dir, form }: { dir: string; form: LayerForm },
): Promise<void> {
  const tree = new ScopedTree(byteString(dir));
  const whiteouts = form === 'overlay' ? overlayWhiteouts(tree) : appliedWhiteouts(tree);
  // A directory's time changes with every entry put into it, so directories get theirs at the end.
  const times = new Map<string, number>();
  for await (const entry of entries) {
    const { header } = entry;
    if (BOOKKEEPING.test(header.name)) continue;
    const place = tree.place(header.name);
    if (place?.base.startsWith(WHITEOUT)) {
      applyWhiteout(place, header.name, whiteouts);
      continue;
    }
    const path = place?.path ?? rootFor(header, tree);
    if (place) await put(entry, place, tree, whiteouts);
    whiteouts.unpacked(path);
    if (header.kind === 'hardlink') continue; // it has what the file it names was given
    applyMetadata(path, header);
    if (header.kind === 'directory') times.set(path, header.mtime);
    else applyTime(path, header.mtime);
  }
  for (const [path, mtime] of times) if (isDirectory(path, tree)) applyTime(path, mtime);
}

/** What whiteouts do in one form of layer. */
interface Whiteouts {
  /** This layer brought `path`. */
  unpacked(path: string): void;
  /** `path` hides what the layers below have there. */
  hide(path: string): void;
  /** `directory` shows nothing of the layers below. */
  hideAll(directory: string): void;
  /** What stands at a path that a new entry takes is gone; `isDirectory` of the new entry. */
  replaced(path: string, was: 'whiteout' | 'other', isDirectory: boolean): void;
}

function overlayWhiteouts(tree: ScopedTree): Whiteouts {
  const hideAll = (directory: string) => {
    if (directory !== tree.root) lsetxattr(raw(directory), 'trusted.overlay.opaque', Buffer.from('y'));
  };
  return {
    unpacked: () => undefined,
    hide: (path) => {
      const found = lstat(path);
      // All that is here came with this layer; a directory must still not be merged with the one below.
      if (found?.isDirectory()) hideAll(path);
      else if (!found) mknod(raw(path), S_IFCHR, { major: 0, minor: 0 });
    },
    hideAll,
    replaced: (path, was, isDirectory) => {
      if (was === 'whiteout' && isDirectory) hideAll(path);
    },
  };
}

function appliedWhiteouts(tree: ScopedTree): Whiteouts {
  const own = new Set<string>();
  const hide = (path: string) => {
    if (!own.has(path)) tree.remove(path);
    else if (lstat(path)?.isDirectory()) hideAll(path);
  };
  const hideAll = (directory: string) => {
    for (const name of readdirSync(raw(directory), 'latin1')) hide(`${directory}/${name}`);
  };
  const unpacked = (path: string) => {
    // With the parents, so that hiding a directory that came by its content alone keeps that content.
    for (let at = path; at.length > tree.root.length && !own.has(at); at = at.slice(0, at.lastIndexOf('/')))
      own.add(at);
  };
  return { unpacked, hide, hideAll, replaced: () => undefined };
}

function applyWhiteout(place: Place, name: string, whiteouts: Whiteouts): void {
  if (place.base === OPAQUE) {
    whiteouts.hideAll(place.parent);
    return;
  }
  const hidden = place.base.slice(WHITEOUT.length);
  if (hidden === '' || hidden === '.' || hidden === '..') throw badName(name, 'a whiteout must name a file');
  whiteouts.hide(`${place.parent}/${hidden}`);
}

async function put(entry: TarEntry, place: Place, tree: ScopedTree, whiteouts: Whiteouts): Promise<void> {
  const { header } = entry;
  const { path } = place;
  const found = lstat(path);
  const isDirectory = header.kind === 'directory';
  if (found?.isDirectory() && isDirectory) return;
  if (header.kind === 'hardlink') return link(header, path, tree);
  if (found) tree.remove(path);
  await make(entry, path);
  if (found)
    whiteouts.replaced(
      path,
      found.isCharacterDevice() && found.rdev === 0 ? 'whiteout' : 'other',
      isDirectory,
    );
}

async function make({ header, body }: TarEntry, path: string): Promise<void> {
  switch (header.kind) {
    case 'file':
      return writeFile(path, body);
    case 'directory':
      return mkdirSync(raw(path), 0o700);
    case 'symlink':
      if (header.linkName === '') throw badName(header.name, 'the symbolic link has no target');
      return symlinkSync(raw(header.linkName), raw(path));
    case 'fifo':
      return mknod(raw(path), S_IFIFO, { major: 0, minor: 0 });
    case 'character':
    case 'block':
      return makeDevice(header, path);
    case 'hardlink':
      return; // made by link()
  }
}

async function writeFile(path: string, body: AsyncIterable<Buffer>): Promise<void> {
  const file = openSync(raw(path), NEW_FILE, 0o600);
  try {
    for await (const chunk of body) {
      for (let at = 0; at < chunk.length; ) at += writeSync(file, chunk, at);
    }
  } finally {
    closeSync(file);
  }
}

/** link(2) follows no link at either end, and the parents of both are resolved inside the tree. */
function link(header: TarHeader, path: string, tree: ScopedTree): void {
  const target = tree.place(header.linkName)?.path;
  const found = target === undefined ? undefined : lstat(target);
  if (target === undefined || !found)
    throw badName(header.name, `the hard link names "${header.linkName}", which is absent`);
  if (found.isDirectory())
    throw badName(header.name, `the hard link names the directory "${header.linkName}"`);
  if (target === path) return;
  if (lstat(path)) tree.remove(path);
  linkSync(raw(target), raw(path));
}

function makeDevice(header: TarHeader, path: string): void {
  const { major, minor } = header.device;
  if (major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff)
    throw badName(header.name, `no device ${major}:${minor}`);
  mknod(raw(path), header.kind === 'block' ? S_IFBLK : S_IFCHR, header.device);
}

function rootFor(header: TarHeader, tree: ScopedTree): string {
  if (header.kind !== 'directory') throw badName(header.name, 'the root of a layer must be a directory');
  return tree.root;
}

/** Whether the directory is still there and no link has taken the place of it or of a parent since. */
function isDirectory(path: string, tree: ScopedTree): boolean {
  for (let at = path; at.length > tree.root.length; at = at.slice(0, at.lastIndexOf('/'))) {
    if (!lstatSync(raw(at), { throwIfNoEntry: false })?.isDirectory()) return false;
  }
  return true;
}
