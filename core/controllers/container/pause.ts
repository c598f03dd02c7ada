/** `pause` and `unpause`: a paused container still runs, as far as its mounts, its task and its keys are concerned. */
import { runtimePoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { containerEvent } from '../../events/emit.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import { type ContainerContext, isRestarting, setState } from './context.ts';
import { findContainer } from './find.ts';

/** Errors: Conflict when it does not run or is paused already, NotImplemented when its runtime cannot. */
export function pauseContainer(ctx: ContainerContext, reference: string, signal: AbortSignal): Promise<void> {
  return change(ctx, reference, true, signal);
}

export function unpauseContainer(
  ctx: ContainerContext,
  reference: string,
  signal: AbortSignal,
): Promise<void> {
  return change(ctx, reference, false, signal);
}

async function change(
  ctx: ContainerContext,
  reference: string,
  paused: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { id } = findContainer(ctx.store, reference);
  await ctx.locks.hold([`container/${id}`], signal, async () => {
    const record = findContainer(ctx.store, id);
    check(record, paused);
    const driver = await ctx.drivers.driver(runtimePoint, record.runtime);
    const call = paused ? driver.pause : driver.resume;
    if (!call) {
      throw new HostError(
        'NotImplemented',
        'NOT_IMPLEMENTED',
        `runtime "${record.runtime}" cannot pause containers`,
      );
    }
    if (paused) await ctx.health.suspend(id);
    try {
      await call({ id }, { signal });
    } catch (error) {
      if (paused) ctx.health.watch(ctx, findContainer(ctx.store, id));
      throw error;
    }
    await notePaused(ctx, record, paused);
  });
}

function check({ id, state }: ContainerRecord, paused: boolean): void {
  const isPaused = state.paused === true;
  if (state.status === 'restarting') throw isRestarting('Container', id);
  if (state.status !== 'running')
    throw new HostError('Conflict', 'NOT_RUNNING', `Container ${id} is not running`);
  if (paused && isPaused)
    throw new HostError('Conflict', 'ALREADY_PAUSED', `Container ${id} is already paused`);
  if (!paused && !isPaused) throw new HostError('Conflict', 'NOT_PAUSED', `Container ${id} is not paused`);
}

/** Writes down what the task is already; the caller holds the container's key. */
export async function notePaused(
  ctx: ContainerContext,
  record: ContainerRecord,
  paused: boolean,
): Promise<void> {
  const health = paused ? ctx.health.unwatch(record) : ctx.health.of(record);
  const noted = { ...setState(record, { paused }), ...(health && { health }) };
  const put = [{ kind: 'container' as const, id: record.id, record: noted }];
  await ctx.store.put(paused ? 'container.pause' : 'container.unpause', { put });
  if (!paused) ctx.health.watch(ctx, noted);
  containerEvent(ctx.events, record, paused ? 'pause' : 'unpause');
}

/** A signal waits in a frozen process, so whoever sends one lets it run on, as Docker does. */
export async function thaw(ctx: ContainerContext, id: string, signal: AbortSignal): Promise<void> {
  if (ctx.store.records.get('container', id)?.state.paused !== true) return;
  await unpauseContainer(ctx, id, signal).catch((error: unknown) => {
    const now = ctx.store.records.get('container', id)?.state;
    if (now?.status === 'running' && now.paused) throw error;
  });
}
