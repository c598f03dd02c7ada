/** What the books say should be there, and which objects somebody works on just now. */

import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { Effect, EffectArgs, EffectKind, ObjectName } from '../../store/effect.ts';
import type { LockKey } from '../../store/locks.ts';
import type { Scene } from './finding.ts';

/** Every effect that may be there: held, or named by an operation that is open. */
export function effectsOnBooks({ store }: Scene): readonly Effect[] {
  return [...store.allEffects(), ...store.openOperations().flatMap(({ makes }) => makes)];
}

export function argsOf<K extends EffectKind>(scene: Scene, kind: K): readonly EffectArgs[K][] {
  return effectsOnBooks(scene)
    .filter((effect) => effect.kind === kind)
    .map(({ args }) => args as EffectArgs[K]);
}

/** Absolute paths that effects of any kind name or have learned. */
export function pathsOnBooks(scene: Scene): ReadonlySet<string> {
  const values = effectsOnBooks(scene).flatMap(({ args, learned }) => [...Object.values(args), learned]);
  return new Set(values.filter((value) => typeof value === 'string' && value.startsWith('/')) as string[]);
}

/** Ids of containers that exist, come to exist, or have something left on the books. */
export function containersOnBooks({ store, locks }: Scene): ReadonlySet<string> {
  const named = [
    ...store.allEffects().map(({ owner }) => owner),
    ...store.openOperations().map(({ object }) => object),
    ...locks.heldKeys(),
  ];
  const ids = named.flatMap((name) => (name.startsWith('container/') ? [name.slice(10)] : []));
  return new Set([...store.records.ids('container'), ...ids]);
}

/** Whether an operation, or replay, works on the object now; then what is seen of it is on its way. */
export function isBusy({ locks }: Scene, object: ObjectName): boolean {
  return locks.isHeld(object as LockKey);
}

/** Settles what replay would settle of the object at the daemon's next start. Throws the reason when it cannot. */
export async function settle(scene: Scene, object: ObjectName, signal: AbortSignal): Promise<void> {
  const { replay } = scene;
  if (await replay.settle(object, signal)) return;
  const reason = replay.waiting().get(object) ?? 'its driver gave no answer';
  throw new HostError('Unavailable', 'NOT_SETTLED', `settle ${object}: ${reason}`);
}
