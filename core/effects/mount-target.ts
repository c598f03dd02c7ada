/** The place that something of ours was mounted at: `<exec root>/containers/<id>/<name>`, a file or a directory. */
import { rmdir, unlink } from 'node:fs/promises';
import path from 'node:path';

/** Removes it, and its container's directory with the last; never what is in it, which may still be somebody's data. */
export async function removeTarget(target: string): Promise<void> {
  await rmdir(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOTDIR') return unlink(target);
    if (error.code !== 'ENOENT') throw error;
  });
  await rmdir(path.dirname(target)).catch(() => {}); // there is more in it, or it is gone
}
