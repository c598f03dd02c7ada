/**
 * Where a container's files are: of one that runs, in its own mount namespace, and no driver is asked; of any other, its
 * snapshot with its volumes, mounted for the moment as an operation.
 */
import { access } from 'node:fs/promises';
import path from 'node:path';
import type { OciMount } from '@gantry/plugin-sdk/contracts/mount.ts';
import { runtimePoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { processStartTime } from '@gantry/plugin-sdk/system/pidfd.ts';
import type { RootMount } from '@gantry/plugin-sdk/system/root-view.ts';
import { effect } from '../../store/effect.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import type { RootSpec } from '../../trees/jobs.ts';
import type { ContainerContext } from './context.ts';
import { etcMounts } from './etc/files.ts';
import { findContainer } from './find.ts';
import { mountSteps } from './mounts.ts';

export interface CopyRoot {
  readonly record: ContainerRecord;
  readonly root: RootSpec;
  readonly signal: AbortSignal;
  /** To be called once the root is held: the container may then end, and others may have its key. */
  readonly onOpened: () => void;
}

const SETTLE_MS = 30_000;

/** `alone`: without volumes and what else is mounted in the container. */
export async function withCopyRoot<T>(
  ctx: ContainerContext,
  reference: string,
  { alone }: { readonly alone: boolean },
  signal: AbortSignal,
  work: (root: CopyRoot) => Promise<T>,
): Promise<T> {
  const { id } = findContainer(ctx.store, reference);
  const begun = await ctx.locks.hold([`container/${id}`], signal, async () => {
    const record = findContainer(ctx.store, id);
    if (record.state.status !== 'running') {
      return { result: await withMounted(ctx, record, alone, signal, work) };
    }
    const root = await rootOfTask(ctx, record, alone, signal);
    if (!root) return undefined;
    const { promise: opened, resolve: onOpened } = Promise.withResolvers<void>();
    const running = ctx.copies.track(id, signal, (within) =>
      work({ record, root, signal: within, onOpened }),
    );
    await Promise.race([opened, running.catch(() => {})]);
    return { running };
  });
  if (begun) return 'running' in begun ? await begun.running : begun.result;
  // Its process has ended, and what is due then is still being done.
  await ctx.waiters.wait(id, 'not-running', AbortSignal.any([signal, AbortSignal.timeout(SETTLE_MS)]));
  return withCopyRoot(ctx, id, { alone }, signal, work);
}

/** Undefined when its process has ended. */
export async function rootOfTask(
  ctx: ContainerContext,
  { id, runtime, state }: ContainerRecord,
  alone: boolean,
  signal: AbortSignal,
): Promise<RootSpec | undefined> {
  // Asked for before the task's state: a process that started later would not be the container's.
  const startTime = processStartTime(state.pid);
  const task = await (await ctx.drivers.driver(runtimePoint, runtime)).state({ id }, { signal });
  const isThere = task.status === 'running' || task.status === 'paused';
  return startTime !== undefined && isThere
    ? { kind: 'process', pid: state.pid, startTime, alone }
    : undefined;
}

/** For one that does not run; the caller holds its key. What is mounted goes again, whatever happens. */
export async function withMounted<T>(
  ctx: ContainerContext,
  record: ContainerRecord,
  alone: boolean,
  signal: AbortSignal,
  work: (root: CopyRoot) => Promise<T>,
): Promise<T> {
  const { id, snapshotDriver } = record;
  if (ctx.store.records.get('container', id) === undefined)
    throw new HostError('NotFound', 'CONTAINER_NOT_FOUND', `No such container: ${id}`);
  const dir = path.join(ctx.stateDir, id, 'rootfs');
  const steps = alone ? { makes: [], run: async () => [] } : await mountSteps(ctx, record, signal);
  const mounted = effect('snapshot-mount', id, { driver: snapshotDriver, key: id, target: dir });
  await using op = await ctx.store.begin('container.copy', `container/${id}`, {
    makes: [...steps.makes, mounted],
  });
  const mounts = await steps.run(op, signal);
  await op.make(mounted, signal);
  const others = alone ? [] : await existing(etcMounts(path.join(ctx.rootDir, id), false));
  const root = { kind: 'directory' as const, dir, mounts: [...mounts, ...others].flatMap(rootMount) };
  return await work({ record, root, signal, onOpened: () => {} });
}

/** Docker, too, shows a stopped container without its tmpfs mounts. */
function rootMount({ type, source, destination, options }: OciMount): readonly RootMount[] {
  if (type !== 'bind' || !source) return [];
  return [
    {
      source,
      target: destination,
      readOnly: options.includes('ro'),
      recursive: options.includes('rbind'),
    },
  ];
}

/** Those files are written at the first start. */
async function existing(mounts: readonly OciMount[]): Promise<readonly OciMount[]> {
  const found = await Promise.all(
    mounts.map((mount) =>
      access(mount.source ?? '').then(
        () => [mount],
        () => [],
      ),
    ),
  );
  return found.flat();
}
