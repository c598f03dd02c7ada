/** Finds a container by name, id or an unambiguous beginning of its id. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import type { Store } from '../../store/store.ts';

export function findContainer(store: Store, reference: string): ContainerRecord {
  const wanted = reference.replace(/^\//, '');
  const exact = store.records.get('container', wanted);
  if (exact) return exact;
  const all = store.records.all('container');
  const named = all.find((container) => container.name === wanted);
  if (named) return named;
  const begun = wanted === '' ? [] : all.filter((container) => container.id.startsWith(wanted));
  if (begun.length > 1) {
    throw new HostError(
      'InvalidArgument',
      'AMBIGUOUS_ID',
      `multiple IDs found with provided prefix: ${wanted}`,
    );
  }
  const [only] = begun;
  if (only) return only;
  throw new HostError('NotFound', 'CONTAINER_NOT_FOUND', `No such container: ${reference}`);
}

/** Undefined when no container, or more than one, is meant. */
export function findIfThere(store: Store, reference: string): ContainerRecord | undefined {
  try {
    return findContainer(store, reference);
  } catch {
    return undefined;
  }
}
