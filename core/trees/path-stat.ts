/** What `docker cp` asks of a path before it copies. Paths are byte strings. */
import { closeSync, fstatSync } from 'node:fs';
import {
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  openInRoot,
  readLinkAt,
} from '@gantry/plugin-sdk/system/open-in-root.ts';
import type { PathStat } from './jobs.ts';

const MAX_LINKS = 255;

/** Cleaned and absolute, with a trailing `/` or `/.` kept: they ask for a directory, through a link if need be. */
export function askedPath(path: string): string {
  const clean = cleanPath(path);
  if (/(^|\/)\.$/.test(path)) return clean === '/' ? '/.' : `${clean}/.`;
  return path.endsWith('/') && clean !== '/' ? `${clean}/` : clean;
}

/** Absolute, without `.`, `..` and double slashes, by the names alone. */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** The last name of an asked path: `.` of `/tmp/.`, `/` of the root. */
export function baseName(path: string): string {
  return path.replace(/\/+$/, '').split('/').at(-1) || '/';
}

export function asksDirectory(path: string): boolean {
  return path === '/' || /\/\.?$/.test(path);
}

/** `path`: as `askedPath` makes it. Errors: `ENOENT`, `ENOTDIR`, `ELOOP`. */
export function pathStat(root: number, path: string): PathStat {
  const descriptor = openInRoot(root, path, O_PATH | (asksDirectory(path) ? O_DIRECTORY : O_NOFOLLOW));
  try {
    const stat = fstatSync(descriptor, { bigint: true });
    return {
      name: baseName(path),
      sizeBytes: Number(stat.size),
      mode: Number(stat.mode),
      mtimeNs: stat.mtimeNs,
      linkTarget: stat.isSymbolicLink() ? followedPath(root, path) : '',
    };
  } finally {
    closeSync(descriptor);
  }
}

/** Where a path leads, all links followed inside the root; what does not exist is kept as it is written. */
export function followedPath(root: number, path: string): string {
  const todo = path.split('/').reverse();
  let at: string[] = [];
  let links = 0;
  for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      at.pop();
      continue;
    }
    const target = linkTarget(root, [...at, part].join('/'));
    if (target === undefined || ++links > MAX_LINKS) at.push(part);
    else {
      if (target.startsWith('/')) at = [];
      todo.push(...target.split('/').reverse());
    }
  }
  return `/${at.join('/')}`;
}

function linkTarget(root: number, path: string): string | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openInRoot(root, path, O_PATH | O_NOFOLLOW);
    return fstatSync(descriptor).isSymbolicLink() ? readLinkAt(descriptor) : undefined;
  } catch {
    return undefined;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
