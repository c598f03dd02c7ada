/**
 * Resolves a path as a process with `root` as its root directory would see it: every symbolic link, absolute or with
 * `..`, is followed inside the root and never out of it.
 */
import { lstat, readlink } from 'node:fs/promises';
import path from 'node:path';

const MAX_LINKS = 40;

/** The host path of `inside`; components that do not exist are appended as they are. Throws on a loop of links. */
export async function resolveInRoot(root: string, inside: string): Promise<string> {
  let todo = inside.split('/').filter(Boolean);
  let done: string[] = [];
  let links = 0;
  while (todo.length > 0) {
    const [name = '', ...rest] = todo;
    todo = rest;
    if (name === '.') continue;
    if (name === '..') {
      done.pop();
      continue;
    }
    const target = await linkTarget(path.join(root, ...done, name));
    if (target === undefined) {
      done.push(name);
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) throw new Error(`resolve ${inside}: too many levels of symbolic links`);
    if (target.startsWith('/')) done = [];
    todo = [...target.split('/').filter(Boolean), ...todo];
  }
  return path.join(root, ...done);
}

async function linkTarget(at: string): Promise<string | undefined> {
  try {
    return (await lstat(at)).isSymbolicLink() ? await readlink(at) : undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
