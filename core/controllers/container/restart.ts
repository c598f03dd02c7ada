/** A container's start by its restart policy, and what ends its waiting for one. */
import { isKind, messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import { type ContainerContext, setState, ZERO_TIME } from './context.ts';
import { restartPolicyOf, startsWithDaemon } from './restart-policy.ts';
import { keysToStart, launch, noteStartFailed } from './start.ts';

const START_MS = 300_000;

/**
 * Once the daemon can start containers: those that wait for it, and those that their policy starts with the daemon. They
 * are `restarting` until it is their turn.
 */
export async function beginRestarts(ctx: ContainerContext): Promise<void> {
  ctx.restarts.begin((id, signal) => restart(ctx, id, signal));
  for (const { id, state } of ctx.store.records.all('container')) {
    if (state.status === 'restarting') ctx.restarts.schedule(id, 0);
    else if (state.status === 'exited') await wakeWithDaemon(ctx, id);
  }
}

async function wakeWithDaemon(ctx: ContainerContext, id: string): Promise<void> {
  const isDue = (record: ContainerRecord | undefined): record is ContainerRecord =>
    record?.state.status === 'exited' &&
    record.state.startedAt !== ZERO_TIME &&
    startsWithDaemon(restartPolicyOf(record), record.manuallyStopped === true);
  if (!isDue(ctx.store.records.get('container', id))) return;
  await ctx.locks.hold([`container/${id}`], ctx.stopping, async () => {
    const record = ctx.store.records.get('container', id);
    if (!isDue(record)) return;
    const woken = { ...setState(record, { status: 'restarting' }), restarts: 0, manuallyStopped: false };
    await ctx.store.put('container.wake', { put: [{ kind: 'container', id, record: woken }] });
    ctx.restarts.schedule(id, 0);
  });
}

async function restart(ctx: ContainerContext, id: string, cancelled: AbortSignal): Promise<void> {
  const waiting = ctx.store.records.get('container', id);
  if (!waiting) return;
  await ctx.locks.hold(keysToStart(ctx, waiting), cancelled, async () => {
    const record = ctx.store.records.get('container', id);
    if (record?.state.status !== 'restarting' || cancelled.aborted) return;
    try {
      await launch(ctx, record, AbortSignal.any([cancelled, AbortSignal.timeout(START_MS)]));
    } catch (error) {
      if (cancelled.aborted) return; // whoever gave it up says what becomes of it
      if (awaitsDriver(record, error)) return waitForDriver(ctx, record, error);
      ctx.log.warn({ container: id, error: messageChain(error) }, 'not started again');
      await noteStartFailed(ctx, setState(record, { status: 'exited' }), error);
    }
  });
}

/** One that is always to run waits for a plugin that is away; Docker gives it up. */
function awaitsDriver(record: ContainerRecord, error: unknown): boolean {
  if (!['always', 'unless-stopped'].includes(restartPolicyOf(record).name)) return false;
  for (let at = error; at instanceof Error; at = at.cause as Error) {
    if (isKind(at, 'Unavailable', 'DeadlineExceeded')) return true;
  }
  return false;
}

async function waitForDriver(ctx: ContainerContext, record: ContainerRecord, error: unknown): Promise<void> {
  const { id } = record;
  const message = messageChain(error);
  if (record.state.error !== message) {
    const noted = setState(record, { error: message });
    await ctx.store.put('container.await-driver', { put: [{ kind: 'container', id, record: noted }] });
  }
  const drivers = new Set(record.mounts.flatMap(({ volume }) => (volume ? [volume.driver] : [])));
  ctx.restarts.schedule(id, ctx.restarts.delayAfter(id, 0), [...drivers]);
}

/**
 * Ends the waiting of one that is `restarting`, as a stop or a kill does; false when it was none. Its last exit stays
 * what it was.
 */
export async function endRestarting(
  ctx: ContainerContext,
  id: string,
  signal: AbortSignal,
): Promise<boolean> {
  if (ctx.store.records.get('container', id)?.state.status !== 'restarting') return false;
  ctx.restarts.cancel(id);
  const end = async () => {
    const record = ctx.store.records.get('container', id);
    if (record?.state.status !== 'restarting') return false;
    const ended = { ...setState(record, { status: 'exited' }), manuallyStopped: true };
    await ctx.store.put('container.end-restarting', { put: [{ kind: 'container', id, record: ended }] });
    ctx.restarts.cancel(id);
    ctx.waiters.exited(id, { exitCode: ended.state.exitCode });
    return true;
  };
  return ctx.locks.hold([`container/${id}`], signal, end).catch((error: unknown) => {
    ctx.restarts.schedule(id, 0); // a start of one that does not wait for it does nothing
    throw error;
  });
}
