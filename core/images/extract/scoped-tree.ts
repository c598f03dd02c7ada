/**
 * Names of an archive as paths inside one directory that nothing in it leads out of. Every parent is looked at, component
 * by component, never followed by the kernel; a symbolic link on the way is resolved as if the directory were `/`, as
 * Docker does. Safe because nobody else writes there meanwhile.
 *
 * All strings are byte strings (see core/archive/tar-header.ts). Synchronous: it runs in the extraction worker.
 */
import { chmodSync, lstatSync, mkdirSync, readdirSync, readlinkSync, rmdirSync, unlinkSync } from 'node:fs';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { utf8 } from '../../archive/tar-header.ts';

/** As the kernel's own limit on symbolic links in one path. */
const MAX_LINKS = 40;

export interface Place {
  /** Existing directory, itself not a link. */
  readonly parent: string;
  readonly base: string;
  /** `parent/base`; `base` may be absent, or a link. */
  readonly path: string;
}

export class ScopedTree {
  readonly root: string;
  /** Resolved parents, which hold until something is removed. */
  readonly #resolved = new Map<string, string>();

  /** `root`: an existing directory, absolute, without links in it. */
  constructor(root: string) {
    this.root = root;
  }

  /** Undefined for the root itself. Missing parents are made. Errors: InvalidArgument. */
  place(name: string): Place | undefined {
    const parts = normalize(name);
    const base = parts.pop();
    if (base === undefined) return undefined;
    const parent = this.#directory(parts, name);
    return { parent, base, path: `${parent}/${base}` };
  }

  /** Removes what is at `path`, a tree too, without following links. */
  remove(path: string): void {
    removeTree(path);
    this.#resolved.clear();
  }

  #directory(parts: readonly string[], name: string): string {
    const key = parts.join('/');
    const known = this.#resolved.get(key);
    if (known !== undefined) return known;
    const found = this.#walk(parts, name);
    this.#resolved.set(key, found);
    return found;
  }

  #walk(parts: readonly string[], name: string): string {
    const todo = parts.toReversed();
    const at: string[] = [];
    let links = 0;
    for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
      if (part === '' || part === '.') continue;
      if (part === '..') {
        at.pop(); // at the root, `..` is the root
        continue;
      }
      const path = [this.root, ...at, part].join('/');
      const kind = kindOf(path);
      if (kind === 'link') {
        if (++links > MAX_LINKS) throw badName(name, 'too many symbolic links');
        const target = readlinkSync(raw(path), 'latin1');
        if (target.startsWith('/')) at.length = 0;
        todo.push(...target.split('/').reverse());
        continue;
      }
      if (kind === 'other') throw badName(name, `"${utf8(part)}" is not a directory`);
      if (kind === 'absent') makeParent(path);
      at.push(part);
    }
    return [this.root, ...at].join('/');
  }
}

export function raw(bytes: string): Buffer {
  return Buffer.from(bytes, 'latin1');
}

export function lstat(path: string) {
  return lstatSync(raw(path), { throwIfNoEntry: false });
}

export function badName(name: string, why: string): HostError {
  return new HostError('InvalidArgument', 'LAYER_INVALID', `extract "${utf8(name)}": ${why}`);
}

/** A leading slash means the root; dots are resolved by name alone, and must not climb out. */
function normalize(name: string): string[] {
  const parts: string[] = [];
  if (name.includes('\0')) throw badName(name, 'its name holds a zero byte');
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) throw badName(name, 'its name leads out of the layer');
  }
  return parts;
}

function kindOf(path: string): 'absent' | 'directory' | 'link' | 'other' {
  const found = lstat(path);
  if (!found) return 'absent';
  if (found.isSymbolicLink()) return 'link';
  return found.isDirectory() ? 'directory' : 'other';
}

/** A parent that the archive does not describe (or describes later). */
function makeParent(path: string): void {
  mkdirSync(raw(path));
  chmodSync(raw(path), 0o755);
}

function removeTree(path: string): void {
  const found = lstat(path);
  if (!found) return;
  if (!found.isDirectory()) {
    unlinkSync(raw(path));
    return;
  }
  for (const name of readdirSync(raw(path), 'latin1')) removeTree(`${path}/${name}`);
  rmdirSync(raw(path));
}
