/** `--workdir`: made where it is missing, with root as its owner, before the root file system may be read-only. */
import { mkdir, stat } from 'node:fs/promises';
import { resolveInRoot } from '../../../paths/resolve-in-root.ts';
import { invalidOption } from './fields.ts';

const MODE = 0o755;

/** Nothing runs in `rootfs` yet. Errors: InvalidArgument when there is something else at the path. */
export async function makeWorkingDirectory(rootfs: string, cwd: string): Promise<void> {
  if (cwd === '/') return;
  const at = await resolveInRoot(rootfs, cwd);
  try {
    if ((await stat(at)).isDirectory()) return;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw notDirectory(cwd);
    await mkdir(at, { recursive: true, mode: MODE }).catch(() => {
      throw notDirectory(cwd);
    });
    return;
  }
  throw notDirectory(cwd);
}

function notDirectory(cwd: string) {
  return invalidOption(`Cannot mkdir: ${cwd} is not a directory`);
}
