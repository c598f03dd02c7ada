/** Whether an effect that is on the books is still wanted, told from its owner's record as it is now. */
import { keepsStopped } from '../controllers/container/exit.ts';
import type { HeldEffect } from '../store/effect.ts';
import type { Store } from '../store/store.ts';

export function wantedEffect(store: Store, held: HeldEffect): boolean {
  const slash = held.owner.indexOf('/');
  const [kind, id] = [held.owner.slice(0, slash), held.owner.slice(slash + 1)];
  if (kind === 'volume') return store.records.get('volume', id) !== undefined;
  if (kind !== 'container') return false;
  if (held.kind === 'task-pause') return false;
  const container = store.records.get('container', id);
  return container !== undefined && (container.state.status === 'running' || keepsStopped(held));
}
