/** Who uses a volume, told from the live containers and never from a counter that a crash could falsify. */
import type { Store } from '../../store/store.ts';

/** Ids of the containers, running or not, that mount the volume `name`. */
export function containersUsing(store: Store, name: string): readonly string[] {
  return store.records
    .all('container')
    .filter((container) => container.mounts.some((mount) => mount.type === 'volume' && mount.source === name))
    .map((container) => container.id);
}
