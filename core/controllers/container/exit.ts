/** The end of a container's process, and of the container. */
import path from 'node:path';
import { runtimePoint, type TaskExit } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { HeldEffect } from '../../store/effect.ts';
import type { Operation } from '../../store/operation.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import type { Changes } from '../../store/store.ts';
import { containersUsing } from '../volume-use.ts';
import { type ContainerContext, setState } from './context.ts';

const CLEANUP_MS = 60_000;

/** Waits for the task's end in the background and then settles the container. */
export function monitor(ctx: ContainerContext, record: ContainerRecord): void {
  const { id, runtime } = record;
  void (async () => {
    const driver = await ctx.drivers.driver(runtimePoint, runtime);
    const exit = await driver.wait({ id }, { signal: ctx.stopping });
    await settleExit(ctx, id, exit);
  })().catch((error: unknown) => {
    if (!ctx.stopping.aborted)
      ctx.log.error({ container: id, error: messageChain(error) }, 'exit not settled');
  });
}

/** Releases what only a running container needs, then writes how it ended; `--rm` takes the rest along. */
export async function settleExit(ctx: ContainerContext, id: string, exit: TaskExit): Promise<void> {
  await ctx.locks.hold([`container/${id}`], undefined, async () => {
    const record = ctx.store.records.get('container', id);
    if (record?.state.status !== 'running') return;
    const exited = setState(record, {
      status: 'exited',
      pid: 0,
      exitCode: exit.code,
      oomKilled: exit.oomKilled,
      finishedAt: exit.at,
      error: exit.unknown ? 'the exit was not seen: its supervisor had been killed' : '',
    });
    const signal = AbortSignal.timeout(CLEANUP_MS);
    const op = ctx.store.resume('container.exit', `container/${id}`);
    await release(ctx, op, id, (held) => !keepsStopped(held), signal);
    if (record.autoRemove) await finishRemoval(ctx, op, exited, true, signal);
    else await op.commit({ put: [{ kind: 'container', id, record: exited }] });
    const result = { exitCode: exit.code };
    ctx.waiters.exited(id, result);
    if (record.autoRemove) ctx.waiters.removed(id, result);
  });
}

/** Removes a container that does not run; the caller holds its key. */
export async function removeRecord(
  ctx: ContainerContext,
  record: ContainerRecord,
  signal: AbortSignal,
  withVolumes = record.autoRemove,
): Promise<void> {
  const { id } = record;
  const op = await ctx.store.begin('container.remove', `container/${id}`, {
    releases: ctx.store.effectsOf(`container/${id}`).map((held) => held.key),
    forward: removal(id),
  });
  await finishRemoval(ctx, op, record, withVolumes, signal);
}

async function finishRemoval(
  ctx: ContainerContext,
  op: Operation,
  record: ContainerRecord,
  withVolumes: boolean,
  signal: AbortSignal,
): Promise<void> {
  await release(ctx, op, record.id, () => true, signal);
  if (withVolumes) await removeAnonymous(ctx, record, signal);
  await op.commit(removal(record.id));
  await ctx.rmStateDir(path.join(ctx.stateDir, record.id));
}

/** Newest first. One that fails is logged and stays on the books, for replay to try again. */
async function release(
  ctx: ContainerContext,
  op: Operation,
  id: string,
  concerns: (held: HeldEffect) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const order = ['task', 'bind-mount', 'snapshot-mount'];
  const rank = ({ kind }: HeldEffect) => (order.includes(kind) ? order.indexOf(kind) : order.length);
  const held = ctx.store.effectsOf(`container/${id}`).filter(concerns);
  for (const one of held.sort((a, b) => rank(a) - rank(b))) {
    try {
      await op.release(one.key, signal);
    } catch (error) {
      ctx.log.warn({ container: id, effect: one.key, error: messageChain(error) }, 'release failed');
    }
  }
}

/** What a stopped container keeps: its writable layer and its files. */
export function keepsStopped({ kind, args }: HeldEffect): boolean {
  if (kind === 'snapshot') return !(args as { readOnly?: boolean }).readOnly;
  return kind === 'host-directory';
}

async function removeAnonymous(
  ctx: ContainerContext,
  record: ContainerRecord,
  signal: AbortSignal,
): Promise<void> {
  for (const { type, source = '' } of record.mounts) {
    const volume = type === 'volume' ? ctx.volumes.record(source) : undefined;
    if (!volume?.anonymous) continue;
    await ctx.locks.hold([`volume/${source}`], signal, async () => {
      const others = containersUsing(ctx.store, source).filter((id) => id !== record.id);
      if (others.length > 0) return;
      await ctx.volumes.removeLocked(volume, signal).catch((error: unknown) => {
        ctx.log.warn({ volume: source, error: messageChain(error) }, 'anonymous volume not removed');
      });
    });
  }
}

function removal(id: string): Changes {
  return { remove: [{ kind: 'container', id }] };
}
