/** Content of the image at a volume's target is copied into the volume while that is empty, at create, as in Docker. */
import { execFile } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
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
    return { target: mount.target, mounted: volumeMountEffect(record.id, withId) };
  });
  return {
    makes: [rootfs, ...copies.map((copy) => copy.mounted)],
    async run(op, signal) {
      await op.make(rootfs, signal);
      for (const copy of copies) {
        const source = await resolveInRoot(target, copy.target);
        if (await isDirectory(source)) await copyInto(op, copy.mounted, source, signal);
      }
      await op.release(rootfs.key, signal);
    },
  };
}

async function copyInto(op: Operation, mounted: Effect, source: string, signal: AbortSignal): Promise<void> {
  const mountpoint = await op.make<string>(mounted, signal);
  if ((await readdir(mountpoint)).length === 0) await copyTree(source, mountpoint);
  await op.release(mounted.key, signal);
}

/** With owners, modes, times, links, devices and extended attributes; the directory's own too. */
async function copyTree(source: string, target: string): Promise<void> {
  try {
    await promisify(execFile)('cp', ['-a', '--', `${source}/.`, `${target}/`]);
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
