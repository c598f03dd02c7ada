/** Tells that a container's process was killed for want of memory when it happens: the container may well go on. */
import { runtimePoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { messageChain } from '@gantry/plugin-sdk/errors.ts';
import { containerEvent } from '../../events/emit.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import { type ContainerContext, setState } from './context.ts';

/**
 * Of a container that runs, once; nothing when its runtime cannot tell, or when it has no limit of its own: then its exit
 * tells. `ended` aborts when it does not run any more.
 */
export function watchOom(ctx: ContainerContext, record: ContainerRecord, ended: AbortSignal): void {
  const { id, runtime, state } = record;
  if (state.oomKilled || !(record.hostConfig.Memory as number | undefined)) return;
  const signal = AbortSignal.any([ended, ctx.stopping]);
  void (async () => {
    const driver = await ctx.drivers.driver(runtimePoint, runtime);
    if (!driver.waitOom) return;
    await driver.waitOom({ id }, { signal });
    await ctx.locks.hold([`container/${id}`], signal, () => note(ctx, record));
  })().catch((error: unknown) => {
    if (!signal.aborted) ctx.log.warn({ container: id, error: messageChain(error) }, 'memory not watched');
  });
}

async function note(ctx: ContainerContext, { id, state: { startedAt } }: ContainerRecord): Promise<void> {
  const record = ctx.store.records.get('container', id);
  const state = record?.state;
  if (state?.status !== 'running' || state.startedAt !== startedAt || state.oomKilled) return;
  const put = [
    { kind: 'container' as const, id, record: setState(record as ContainerRecord, { oomKilled: true }) },
  ];
  await ctx.store.put('container.oom', { put });
  containerEvent(ctx.events, record as ContainerRecord, 'oom');
}
