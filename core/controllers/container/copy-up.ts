/** Content of the image at a volume's target is copied into the volume while that is empty, at create, as in Docker. */
import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { syncDirectory, syncFileSystem } from '@gantry/plugin-sdk/system/sync.ts';
import { resolveInRoot } from '../../paths/resolve-in-root.ts';
import { type Effect, effect } from '../../store/effect.ts';
import type { Operation } from '../../store/operation.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import type { ContainerContext } from './context.ts';
import { newMountId, volumeMountEffect } from './mounts.ts';

export interface CopyUp {
  readonly makes: readonly Effect[];
  run(op: Operation, signal: AbortSignal): Promise<void>;
}

/** Where a copy that is to last is put together. Found in a volume it means that a crash has cut one off. */
const DRAFT = '.gantry-copy-up';

export function copyUp(ctx: ContainerContext, record: ContainerRecord): CopyUp {
  const mounts = record.mounts.filter((mount) => mount.type === 'volume' && mount.copyUp);
  if (mounts.length === 0) return { makes: [], run: async () => {} };
  const target = path.join(ctx.stateDir, record.id, 'rootfs');
  const rootfs = effect('snapshot-mount', record.id, {
    driver: record.snapshotDriver,
    key: record.id,
    target,
  });
  const copies = mounts.map((mount) => {
    const withId = { ...mount, volume: { driver: '', ...mount.volume, mountId: newMountId() } };
    // A volume that is made with the container and goes with its end need not outlive a crash.
    const fill = record.autoRemove && !ctx.volumes.known.record(mount.source ?? '') ? copyTree : copyToLast;
    return { target: mount.target, mounted: volumeMountEffect(record.id, withId), fill };
  });
  return {
    makes: [rootfs, ...copies.map((copy) => copy.mounted)],
    async run(op, signal) {
      await op.make(rootfs, signal);
      for (const { mounted, fill, ...copy } of copies) {
        const source = await resolveInRoot(target, copy.target);
        if (!(await isDirectory(source))) continue;
        const mountpoint = await op.make<string>(mounted, signal);
        if (await isEmpty(mountpoint)) await fill(source, mountpoint);
        await op.release(mounted.key, signal);
      }
      await op.release(rootfs.key, signal);
    },
  };
}

async function isEmpty(mountpoint: string): Promise<boolean> {
  const found = await readdir(mountpoint);
  return found.length === 0 || found.includes(DRAFT);
}

/** Whole or, after a crash, begun anew by the next container: a half-filled volume would be taken for a used one. */
async function copyToLast(source: string, mountpoint: string): Promise<void> {
  if ((await readdir(source)).length === 0) return copyTree(source, mountpoint);
  const draft = path.join(mountpoint, DRAFT);
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft);
  await copyTree(source, draft);
  await syncFileSystem(draft);
  const there = await readdir(mountpoint);
  for (const name of await readdir(draft)) {
    if (!there.includes(name)) await rename(path.join(draft, name), path.join(mountpoint, name));
  }
  await rm(draft, { recursive: true });
  const { uid, gid, mode, atime, mtime } = await stat(source);
  await chown(mountpoint, uid, gid);
  await chmod(mountpoint, mode & 0o7777);
  await utimes(mountpoint, atime, mtime);
  await syncDirectory(mountpoint);
}

/**
 * With owners, modes, times, links, devices and extended attributes; the directory's own too. The copying ends with the
 * daemon: what it does after a crash would come in the way of replay.
 */
async function copyTree(source: string, target: string): Promise<void> {
  try {
    const copy = ['cp', '-a', '--', `${source}/.`, `${target}/`];
    await promisify(execFile)('setpriv', ['--pdeathsig', 'KILL', ...copy]);
  } catch (error) {
    throw new HostError('Internal', 'COPY_UP_FAILED', `copy the image's content into ${target}`, {
      cause: error,
    });
  }
}

async function isDirectory(at: string): Promise<boolean> {
  return stat(at).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
