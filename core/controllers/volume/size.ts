/** Bytes that a directory tree takes on its disk. */
import { lstat, readdir } from 'node:fs/promises';
import path from 'node:path';

const BLOCK_BYTES = 512;

/** Files that vanish meanwhile count as nothing. */
export async function sizeOf(root: string): Promise<number> {
  let bytes = 0;
  const todo = [root];
  for (let dir = todo.pop(); dir !== undefined; dir = todo.pop()) {
    for (const entry of await readdir(dir, { withFileTypes: true }).catch(() => [])) {
      const at = path.join(dir, entry.name);
      if (entry.isDirectory()) todo.push(at);
      else bytes += ((await lstat(at).catch(() => undefined))?.blocks ?? 0) * BLOCK_BYTES;
    }
  }
  return bytes;
}
