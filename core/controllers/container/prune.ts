/** `container prune`: removes what does not run. */
import { snapshotPoint } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import type { ContainerContext } from './context.ts';
import { removeRecord } from './exit.ts';

const REMOVAL_MS = 60_000;

export interface PruneResult {
  readonly removed: readonly string[];
  readonly reclaimedBytes: number;
}

/** One container at a time, each to its end; one that has been started meanwhile stays. Stops when `signal` aborts. */
export async function pruneContainers(
  ctx: ContainerContext,
  wanted: (record: ContainerRecord) => boolean,
  signal: AbortSignal,
): Promise<PruneResult> {
  const removed: string[] = [];
  let reclaimedBytes = 0;
  for (const { id } of ctx.store.records.all('container')) {
    signal.throwIfAborted();
    await ctx.locks.hold([`container/${id}`], signal, async () => {
      const record = ctx.store.records.get('container', id);
      if (!record || ['running', 'restarting'].includes(record.state.status) || !wanted(record)) return;
      const driver = await ctx.drivers.driver(snapshotPoint, record.snapshotDriver);
      const { sizeBytes } = await driver.usage({ key: id }, { signal });
      await removeRecord(ctx, record, AbortSignal.timeout(REMOVAL_MS), true);
      ctx.waiters.removed(id, { exitCode: record.state.exitCode });
      removed.push(id);
      reclaimedBytes += sizeBytes;
    });
  }
  ctx.events.emit('container', 'prune', '', { reclaimed: String(reclaimedBytes) });
  return { removed, reclaimedBytes };
}
