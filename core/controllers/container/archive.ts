/** `docker cp` and `docker export`: a container's files as archives, in and out. */

import { HostError, isHostError } from '@gantry/plugin-sdk/errors.ts';
import { containerEvent } from '../../events/emit.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import type { PathStat, TreeJob, WriteRules } from '../../trees/jobs.ts';
import type { ContainerContext } from './context.ts';
import { type CopyRoot, withCopyRoot } from './copy-root.ts';

/** Takes the archive piece by piece, and the next once it has resolved. */
export type TakeChunk = (chunk: Buffer) => Promise<void>;

/** Of the container's path, a byte string. Errors: NotFound. */
export function statPath(
  ctx: ContainerContext,
  reference: string,
  path: string,
  signal: AbortSignal,
): Promise<PathStat> {
  return named(reference, path, () =>
    withCopyRoot(ctx, reference, { alone: false }, signal, async (root) => {
      let found: PathStat | undefined;
      await run(ctx, root, { kind: 'stat', path, root: root.root }, { onStat: (stat) => (found = stat) });
      if (!found) throw new HostError('Internal', 'INTERNAL', `stat ${path}: no answer`);
      return found;
    }),
  );
}

/** `onStat` comes before the first piece. */
export async function readPath(
  ctx: ContainerContext,
  reference: string,
  path: string,
  to: { readonly onStat: (stat: PathStat) => void; readonly output: TakeChunk },
  signal: AbortSignal,
): Promise<void> {
  await named(reference, path, () =>
    withCopyRoot(ctx, reference, { alone: false }, signal, async (root) => {
      await run(ctx, root, { kind: 'read', path, root: root.root }, to);
      containerEvent(ctx.events, root.record, 'archive-path');
    }),
  );
}

export interface WriteOptions {
  readonly keepKinds: boolean;
  /** Everything gets the container's user as its owner. */
  readonly asUser: boolean;
}

export async function writePath(
  ctx: ContainerContext,
  reference: string,
  path: string,
  input: AsyncIterable<Buffer>,
  { keepKinds, asUser }: WriteOptions,
  signal: AbortSignal,
): Promise<void> {
  await named(reference, path, () =>
    withCopyRoot(ctx, reference, { alone: false }, signal, async (root) => {
      const user = asUser ? root.record.process.user : '';
      const rules = rulesOf(root.record);
      await run(ctx, root, { kind: 'write', path, root: root.root, rules, keepKinds, user }, { input });
      containerEvent(ctx.events, root.record, 'extract-to-dir');
    }),
  );
}

/** Its root file system, without what is mounted in it. */
export async function exportContainer(
  ctx: ContainerContext,
  reference: string,
  output: TakeChunk,
  signal: AbortSignal,
): Promise<void> {
  await withCopyRoot(ctx, reference, { alone: true }, signal, async (root) => {
    await run(ctx, root, { kind: 'export', root: root.root }, { output });
    containerEvent(ctx.events, root.record, 'export');
  });
}

interface Ends {
  readonly onStat?: (stat: PathStat) => void;
  readonly output?: TakeChunk;
  readonly input?: AsyncIterable<Buffer>;
}

async function run(
  ctx: ContainerContext,
  root: CopyRoot,
  job: TreeJob,
  { onStat, ...ends }: Ends,
): Promise<void> {
  await ctx.copies.threads.run(job, {
    owner: root.record.id,
    signal: root.signal,
    onOpened: (stat) => {
      root.onOpened();
      if (stat) onStat?.(stat);
    },
    ...ends,
  });
}

function rulesOf({ hostConfig, mounts }: ContainerRecord): WriteRules {
  return {
    readOnlyRoot: hostConfig.ReadonlyRootfs === true,
    mounts: mounts.map(({ target, readOnly }) => ({
      target: Buffer.from(target).toString('latin1'),
      readOnly,
    })),
  };
}

/** Docker's words for a path that is not there. */
async function named<T>(reference: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isHostError(error) || error.code !== 'PATH_NOT_FOUND') throw error;
    const shown = Buffer.from(path, 'latin1').toString();
    const message = `Could not find the file ${shown} in container ${reference}`;
    throw new HostError('NotFound', 'PATH_NOT_FOUND', message);
  }
}
