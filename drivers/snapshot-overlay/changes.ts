/**
 * What the upper directory of an overlay changes of the layers below: whiteouts delete, opaque directories hide, and
 * all else is new or takes the place of something. The upper directory may be in use meanwhile; layers never change.
 */
import type { BigIntStats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import type { FileChange } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import { HeldDirectory } from '@gantry/plugin-sdk/system/held-directory.ts';
import { lgetxattr } from '@gantry/plugin-sdk/system/xattr.ts';

/** The directories of the layers that are merged at one path, top first; byte strings. */
type Below = readonly string[];

/** `layers`: their directories, top first. */
export async function overlayChanges(
  upper: string,
  layers: Below,
  signal: AbortSignal,
): Promise<readonly FileChange[]> {
  const found: FileChange[] = [];
  const compare = async (
    at: string,
    directory: HeldDirectory,
    below: Below,
    hidesBelow: boolean,
  ): Promise<boolean> => {
    let changesParent = false;
    const names = await directory.names();
    for (const name of names) {
      signal.throwIfAborted();
      const stat = await directory.stat(name);
      if (!stat) continue;
      const path = `${at}/${name}`;
      const old = await lookUp(below, name);
      if (isWhiteout(stat)) {
        // One over nothing is left by a file that was made and removed again.
        if (!old) continue;
        found.push({ path, kind: 'deleted' });
        changesParent = true;
        continue;
      }
      changesParent ||= !old;
      const place = found.push({ path, kind: old ? 'changed' : 'added' });
      if (!stat.isDirectory()) continue;
      await using inner = await directory.down(name);
      const wasDirectory = old?.stat.isDirectory() === true;
      const hides = hidesBelow || isOpaque(directory.path(name));
      const inside = inner && (await compare(path, inner, wasDirectory ? old.below : [], hides));
      // It may be there only as the parent of something that was changed in its place.
      if (wasDirectory && !inside && sameDirectory(stat, old.stat)) found.splice(place - 1, 1);
    }
    if (!hidesBelow) return changesParent;
    const here = new Set(names);
    for (const name of await namesBelow(below)) {
      if (here.has(name)) continue;
      found.push({ path: `${at}/${name}`, kind: 'deleted' });
      changesParent = true;
    }
    return changesParent;
  };
  await using top = await HeldDirectory.open(upper);
  await compare('', top, layers, false);
  return found;
}

interface Old {
  readonly stat: BigIntStats;
  /** Of a directory: what is merged in it. */
  readonly below: Below;
}

/** What the layers together have under `name`. */
async function lookUp(below: Below, name: string): Promise<Old | undefined> {
  let stat: BigIntStats | undefined;
  const merged: string[] = [];
  for (const directory of below) {
    const path = `${directory}/${name}`;
    const found = await lstat(raw(path), { bigint: true }).catch(absent);
    if (!found) continue;
    if (isWhiteout(found)) break;
    if (!found.isDirectory()) {
      stat ??= found;
      break;
    }
    stat ??= found;
    merged.push(path);
    if (isOpaque(raw(path))) break;
  }
  return stat && { stat, below: merged };
}

async function namesBelow(below: Below): Promise<readonly string[]> {
  const names = new Set<string>();
  for (const directory of below)
    for (const name of await readdir(raw(directory), { encoding: 'latin1' })) names.add(name);
  const there: string[] = [];
  for (const name of names) if (await lookUp(below, name)) there.push(name);
  return there.sort();
}

function isWhiteout(stat: BigIntStats): boolean {
  return stat.isCharacterDevice() && stat.rdev === 0n;
}

function isOpaque(path: Buffer): boolean {
  try {
    return lgetxattr(path, 'trusted.overlay.opaque')?.toString('latin1') === 'y';
  } catch {
    return false; // gone meanwhile
  }
}

function sameDirectory(a: BigIntStats, b: BigIntStats): boolean {
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid && a.mtimeNs === b.mtimeNs;
}

function raw(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
}
