/** What a tree has, lacks and has otherwise than the one it was copied from, which never changes. */
import type { BigIntStats } from 'node:fs';
import type { FileChange } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import { HeldDirectory } from '@gantry/plugin-sdk/system/held-directory.ts';

/** `sizeBytes`: of an added or changed file, else 0. */
export interface SizedChange extends FileChange {
  readonly sizeBytes: number;
}

/** The tree at `copy` may be in use meanwhile. */
export async function compareTrees(
  copy: string,
  original: string,
  signal: AbortSignal,
): Promise<readonly SizedChange[]> {
  const found: SizedChange[] = [];
  const compare = async (at: string, now: HeldDirectory, before: HeldDirectory | undefined) => {
    const old = new Set(await before?.names());
    let changesParent = false;
    for (const name of await now.names()) {
      signal.throwIfAborted();
      const stat = await now.stat(name);
      if (!stat) continue;
      const was = old.delete(name) ? await before?.stat(name) : undefined;
      const path = `${at}/${name}`;
      const sizeBytes = stat.isDirectory() ? 0 : Number(stat.size);
      changesParent ||= !was;
      const isSame = was && sameStat(stat, was) && (await sameTarget(stat, name, now, before));
      const place = found.push({ path, kind: was ? 'changed' : 'added', sizeBytes });
      let isInside = false;
      if (stat.isDirectory()) {
        await using inner = await now.down(name);
        await using below = was?.isDirectory() ? await before?.down(name) : undefined;
        isInside = inner !== undefined && (await compare(path, inner, below));
      }
      if (isSame && !isInside) found.splice(place - 1, 1);
    }
    for (const name of old) found.push({ path: `${at}/${name}`, kind: 'deleted', sizeBytes: 0 });
    return changesParent || old.size > 0;
  };
  await using top = await HeldDirectory.open(copy);
  await using below = await HeldDirectory.open(original);
  await compare('', top, below);
  return found;
}

function sameStat(a: BigIntStats, b: BigIntStats): boolean {
  const isSameNode =
    a.mode === b.mode && a.uid === b.uid && a.gid === b.gid && a.rdev === b.rdev && a.mtimeNs === b.mtimeNs;
  return isSameNode && (a.isDirectory() || a.size === b.size);
}

async function sameTarget(
  stat: BigIntStats,
  name: string,
  now: HeldDirectory,
  before: HeldDirectory | undefined,
): Promise<boolean> {
  if (!stat.isSymbolicLink()) return true;
  return (await now.target(name)) === (await before?.target(name));
}
