/** Whether overlays work on this kernel and on the file system of the driver's directory: by mounting one. */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { mount, unmountAll } from '@gantry/plugin-sdk/system/mount.ts';
import { lsetxattr } from '@gantry/plugin-sdk/system/xattr.ts';
import { escapePath } from './options.ts';

/** Errors: FailedPrecondition. Leaves nothing behind, and clears what a probe cut short left. */
export async function probeOverlay(rootDir: string): Promise<void> {
  const directory = join(rootDir, 'probe');
  const lower = join(directory, 'lower');
  const upper = join(directory, 'upper');
  const work = join(directory, 'work');
  const merged = join(directory, 'merged');
  await unmountAll(merged);
  try {
    for (const path of [lower, upper, work, merged]) await mkdir(path, { recursive: true, mode: 0o700 });
    const [l, u, w] = [lower, upper, work].map(escapePath);
    // Opaque directories and whiteouts of directories are kept so; where it fails, a mount alone might still work.
    lsetxattr(lower, 'trusted.overlay.opaque', Buffer.from('y'));
    mount('overlay', merged, 'overlay', 0, `lowerdir=${l},upperdir=${u},workdir=${w}`);
    await unmountAll(merged);
  } catch (cause) {
    throw await unusable(rootDir, cause);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function unusable(rootDir: string, cause: unknown): Promise<HostError> {
  const hasOverlay = /^nodev\s+overlay$/m.test(await readFile('/proc/filesystems', 'utf8'));
  const why = hasOverlay
    ? `the file system of "${rootDir}" cannot hold one`
    : 'the kernel has no overlay file system';
  return new HostError('FailedPrecondition', 'OVERLAY_UNUSABLE', `mount an overlay: ${why}`, {
    cause,
    hint: hasOverlay ? 'move the data root to ext4, xfs, btrfs or tmpfs' : 'load the kernel module "overlay"',
  });
}
