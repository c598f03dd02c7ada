/** `docker diff`: what a container has changed of its image. */
import { type FileChange, snapshotPoint } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import type { ContainerContext } from './context.ts';
import { findContainer } from './find.ts';

/** Sorted by path, a byte string. */
export async function containerChanges(
  ctx: ContainerContext,
  reference: string,
  signal: AbortSignal,
): Promise<readonly FileChange[]> {
  const { id, snapshotDriver } = findContainer(ctx.store, reference);
  const driver = await ctx.drivers.driver(snapshotPoint, snapshotDriver);
  const found = await driver.changes({ key: id }, { signal });
  return [...found].sort((a, b) => (a.path < b.path ? -1 : 1));
}
