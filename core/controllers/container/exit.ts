/** The end of a container's process, and of the container. */
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { runtimePoint, type TaskExit } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { isKind, messageChain } from '@gantry/plugin-sdk/errors.ts';
import { containerEvent, volumeEvent, volumeMountEvents } from '../../events/emit.ts';
import type { HeldEffect } from '../../store/effect.ts';
import type { Operation } from '../../store/operation.ts';
import type { ContainerRecord, VolumeRecord } from '../../store/record-types.ts';
import { isRefusal } from '../../store/refusal.ts';
import type { Changes } from '../../store/store.ts';
import { volumeEffect, volumeKeys } from '../volume/record.ts';
import { containersUsing } from '../volume/use.ts';
import { afterExit, scheduleRestart } from './after-exit.ts';
import { type ContainerContext, setState } from './context.ts';
import { watchOom } from './oom.ts';

const CLEANUP_MS = 60_000;
/** How long after it was lost a runtime driver is asked again; the host calls none that is broken. */
const ABSENT_DRIVER_MS = 500;

/** Waits for the task's end in the background and then settles the container. */
export function monitor(ctx: ContainerContext, record: ContainerRecord, { adopted = false } = {}): void {
  const { id, runtime } = record;
  ctx.health.watch(ctx, record, { adopted });
  const ended = new AbortController();
  watchOom(ctx, record, ended.signal);
  void (async () => {
    const exit = await untilExit(ctx, id, runtime);
    ended.abort();
    await settleExit(ctx, id, exit);
  })().catch((error: unknown) => {
    if (!ctx.stopping.aborted)
      ctx.log.error({ container: id, error: messageChain(error) }, 'exit not settled');
  });
}

/** A runtime driver that dies leaves its tasks running: the wait goes on with the next one in its place. */
async function untilExit(ctx: ContainerContext, id: string, runtime: string): Promise<TaskExit> {
  for (;;) {
    try {
      const driver = await ctx.drivers.driver(runtimePoint, runtime);
      return await driver.wait({ id }, { signal: ctx.stopping });
    } catch (error) {
      if (ctx.stopping.aborted || !isKind(error, 'Unavailable', 'DeadlineExceeded')) throw error;
    }
    await delay(ABSENT_DRIVER_MS, undefined, { signal: ctx.stopping });
  }
}

/** Releases what only a running container needs, then writes how it ended; `--rm` takes the rest along. */
export async function settleExit(ctx: ContainerContext, id: string, exit: TaskExit): Promise<void> {
  await ctx.locks.hold([`container/${id}`], undefined, async () => {
    const record = ctx.store.records.get('container', id);
    if (record?.state.status !== 'running') return;
    await ctx.logs.ended(record);
    const health = ctx.health.unwatch(record);
    const ended = setState(health ? { ...record, health } : record, {
      status: 'exited',
      paused: false,
      pid: 0,
      exitCode: exit.code,
      oomKilled: exit.oomKilled || record.state.oomKilled,
      finishedAt: exit.at,
      error: exit.unknown ? 'the exit was not seen: its supervisor had been killed' : '',
    });
    const exited = afterExit(ctx, ended);
    const signal = AbortSignal.timeout(CLEANUP_MS);
    const result = { exitCode: exit.code };
    await ctx.copies.end(id);
    const op = ctx.store.resume('container.exit', `container/${id}`);
    const early = !record.autoRemove && holdsLittle(ctx, id);
    if (early) {
      await ctx.store.put('container.exited', { put: [{ kind: 'container', id, record: exited }] });
      tellEnd(ctx, record, exited);
      ctx.waiters.exited(id, result);
    }
    await release(ctx, op, id, (held) => !keepsStopped(held), signal);
    if (record.autoRemove) {
      await ctx.logs.removing(record);
      await holdOwnVolumes(ctx, record, signal, async (own) => {
        const gone = await finishRemoval(ctx, op, exited, own, signal);
        tellEnd(ctx, record, exited);
        tellRemoval(ctx, exited, gone);
      });
    } else if (early) await op.commit({});
    else {
      await op.commit({ put: [{ kind: 'container', id, record: exited }] });
      tellEnd(ctx, record, exited);
    }
    if (!early) ctx.waiters.exited(id, result);
    if (record.autoRemove) ctx.waiters.removed(id, result);
  });
}

/**
 * Whether nothing of the container's can be missed by whoever is told of its end before it is released: the files of its
 * task, and its own file system. They go on behind, and a start or a removal waits for the key. A volume's unmount is
 * one that an operator acts upon.
 */
function holdsLittle(ctx: ContainerContext, id: string): boolean {
  const little = ['task', 'shm-mount', 'snapshot-mount'];
  const held = ctx.store.effectsOf(`container/${id}`);
  return held.every((one) => keepsStopped(one) || little.includes(one.kind));
}

/** Removes a container that does not run; the caller holds its key. */
export async function removeRecord(
  ctx: ContainerContext,
  record: ContainerRecord,
  signal: AbortSignal,
  withVolumes = record.autoRemove,
): Promise<void> {
  const { id } = record;
  const remove = async (own: readonly VolumeRecord[]) => {
    const held = ctx.store.effectsOf(`container/${id}`);
    const op = await ctx.store.begin('container.remove', `container/${id}`, {
      releases: [...held, ...own.map(volumeEffect)].map(({ key }) => key),
      forward: removal(id, own),
    });
    tellRemoval(ctx, record, await finishRemoval(ctx, op, record, own, signal));
  };
  await ctx.logs.removing(record);
  await (withVolumes ? holdOwnVolumes(ctx, record, signal, remove) : remove([]));
}

/** Answers the volumes that went along. */
async function finishRemoval(
  ctx: ContainerContext,
  op: Operation,
  record: ContainerRecord,
  own: readonly VolumeRecord[],
  signal: AbortSignal,
): Promise<readonly VolumeRecord[]> {
  await release(ctx, op, record.id, () => true, signal);
  const gone: VolumeRecord[] = [];
  for (const volume of own) if (await removeOwn(ctx, op, volume, signal)) gone.push(volume);
  await op.commit(removal(record.id, gone));
  await ctx.rmStateDir(path.join(ctx.stateDir, record.id));
  return gone;
}

/** Once it is durable; a start that follows waits for the key. */
function tellEnd(ctx: ContainerContext, before: ContainerRecord, record: ContainerRecord): void {
  const { events } = ctx;
  const { exitCode, oomKilled, startedAt, finishedAt } = record.state;
  const ranMs = Math.max(0, Date.parse(finishedAt) - Date.parse(startedAt));
  const execDuration = String(Math.floor(ranMs / 1000));
  if (oomKilled && !before.state.oomKilled) containerEvent(events, record, 'oom');
  volumeMountEvents(events, record, 'unmount');
  containerEvent(events, record, 'die', { exitCode: String(exitCode), execDuration });
  if (record.state.status === 'restarting') scheduleRestart(ctx, record);
}

function tellRemoval(
  { events, restarts }: ContainerContext,
  record: ContainerRecord,
  volumes: readonly VolumeRecord[],
): void {
  restarts.forget(record.id);
  containerEvent(events, record, 'destroy');
  for (const volume of volumes) volumeEvent(events, volume, 'destroy');
}

/** Newest first. One that fails is logged and stays on the books, and is tried again if that may help. */
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
      if (!isRefusal(error)) ctx.store.unsettled(`container/${id}`, messageChain(error));
    }
  }
}

/** What a stopped container keeps: its writable layer and its files. */
export function keepsStopped({ kind, args }: HeldEffect): boolean {
  if (kind === 'snapshot') return !(args as { readOnly?: boolean }).readOnly;
  return kind === 'host-directory';
}

/** Runs `work` with the keys of the anonymous volumes that only this container uses, and with those volumes. */
async function holdOwnVolumes(
  ctx: ContainerContext,
  { id, mounts }: ContainerRecord,
  signal: AbortSignal,
  work: (own: readonly VolumeRecord[]) => Promise<void>,
): Promise<void> {
  const mounted = mounts.flatMap(({ type, source }) => (type === 'volume' && source ? [source] : []));
  const names = [...new Set(mounted)].filter((name) => ctx.volumes.known.record(name)?.anonymous);
  await ctx.locks.hold(volumeKeys(names), signal, () => {
    const unused = names.filter((name) => containersUsing(ctx.store, name).every((user) => user === id));
    return work(unused.flatMap((name) => ctx.volumes.known.record(name) ?? []));
  });
}

/** False when its driver does not remove it: then it stays a volume, as in Docker. */
async function removeOwn(
  ctx: ContainerContext,
  op: Operation,
  volume: VolumeRecord,
  signal: AbortSignal,
): Promise<boolean> {
  const { key } = volumeEffect(volume);
  try {
    await op.release(key, signal);
    return true;
  } catch (error) {
    // It may have been removed before a crash that this is done again after.
    const gone = isRefusal(error) && (await ctx.volumes.known.denies(volume, signal));
    if (gone) op.forget(key);
    else ctx.log.warn({ volume: volume.name, error: messageChain(error) }, 'anonymous volume not removed');
    return gone;
  }
}

function removal(id: string, volumes: readonly VolumeRecord[]): Changes {
  const gone = volumes.map(({ name }) => ({ kind: 'volume' as const, id: name }));
  return { remove: [...gone, { kind: 'container', id }] };
}
