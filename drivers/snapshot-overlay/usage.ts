/** What a directory tree holds. */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Apparent sizes, as Docker's SizeRw; a file with several names counts once; the top directory does not count. */
export async function diskUsage(root: string): Promise<{ sizeBytes: number; inodes: number }> {
  const linked = new Set<number>();
  let sizeBytes = 0;
  let inodes = 0;
  const todo = [root];
  for (let directory = todo.pop(); directory !== undefined; directory = todo.pop()) {
    for (const name of await namesIn(directory)) {
      const path = join(directory, name);
      const found = await lstat(path).catch(goneIsUndefined);
      if (!found || (found.nlink > 1 && !found.isDirectory() && linked.has(found.ino))) continue;
      if (found.nlink > 1) linked.add(found.ino);
      if (found.isDirectory()) todo.push(path);
      else sizeBytes += found.size;
      inodes += 1;
    }
  }
  return { sizeBytes, inodes };
}

/** The tree may be in use: what goes away meanwhile holds nothing. */
async function namesIn(directory: string): Promise<readonly string[]> {
  return (await readdir(directory).catch(goneIsUndefined)) ?? [];
}

function goneIsUndefined(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
