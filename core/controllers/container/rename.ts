/** `rename`: another name for a container, running or not. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { containerEvent } from '../../events/emit.ts';
import type { ContainerContext } from './context.ts';
import { findContainer } from './find.ts';

/** Errors: InvalidArgument, Conflict when another container has the name. */
export async function renameContainer(
  ctx: ContainerContext,
  reference: string,
  wanted: string,
  signal: AbortSignal,
): Promise<void> {
  const { id } = findContainer(ctx.store, reference);
  if (wanted === '')
    throw new HostError(
      'InvalidArgument',
      'INVALID_CONTAINER_NAME',
      'Neither old nor new names may be empty',
    );
  await ctx.locks.hold([`container/${id}`], signal, async () => {
    const record = findContainer(ctx.store, id);
    if (record.name === wanted.replace(/^\//, '')) {
      throw new HostError(
        'InvalidArgument',
        'SAME_CONTAINER_NAME',
        'Renaming a container with the same name as its current name',
      );
    }
    const { name, release } = ctx.names.reserve(wanted, id);
    try {
      await ctx.store.put('container.rename', {
        put: [{ kind: 'container', id, record: { ...record, name } }],
      });
      containerEvent(ctx.events, { ...record, name }, 'rename', { oldName: `/${record.name}` });
    } finally {
      release();
    }
  });
}
