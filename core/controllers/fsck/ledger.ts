/** The ledger against itself: operations that nobody settles, effects that nobody wants. */
import type { HeldEffect, ObjectName } from '../../store/effect.ts';
import { isBusy, settle } from './books.ts';
import { type Check, type Found, REPAIR, type Scene } from './finding.ts';

export const openOperations: Check = async (scene) =>
  scene.store
    .openOperations()
    .filter(({ object }) => !isBusy(scene, object))
    .map(({ name, object, forward }) => {
      const end = forward ? 'finishes it, or takes it back if its driver refuses' : 'undoes what it has made';
      return {
        kind: 'operation',
        subject: `${name} ${object}`,
        what: `operation ${name} on ${object} was cut off and nobody settles it${waits(scene, object)}`,
        ...settling(scene, object, end),
      };
    });

export const unwantedEffects: Check = async (scene) =>
  scene.store
    .allEffects()
    .filter((held) => !isBusy(scene, held.owner) && isUnwanted(scene, held))
    .map((held) => ({
      kind: 'effect-unwanted',
      subject: held.key,
      what: `effect ${held.key} is on the books, but ${reasonAgainst(scene, held)}${waits(scene, held.owner)}`,
      ...settling(scene, held.owner, 'undoes it'),
    }));

/** What is undone and only waits to be struck is no left-over. */
function isUnwanted({ replay, store }: Scene, held: HeldEffect): boolean {
  return replay.isLeftOver(held) && !store.isUndone(held);
}

function reasonAgainst(scene: Scene, held: HeldEffect): string {
  if (held.boot !== undefined && held.boot !== scene.store.boot) return 'it went with an earlier boot';
  return isThere(scene, held.owner)
    ? `${held.owner} does not want it as it is now`
    : `its owner ${held.owner} is gone`;
}

function isThere({ store }: Scene, object: ObjectName): boolean {
  const [kind, id] = [object.slice(0, object.indexOf('/')), object.slice(object.indexOf('/') + 1)];
  return (kind === 'container' || kind === 'volume') && store.records.get(kind, id) !== undefined;
}

function settling(scene: Scene, object: ObjectName, does: string): Pick<Found, 'mend' | 'repair'> {
  if (removesVolume(scene, object)) {
    const name = object.slice(object.indexOf('/') + 1);
    return {
      mend: `settling it would remove the volume: say so with "docker volume rm ${name}", or restart gantryd`,
    };
  }
  return { mend: `"${REPAIR}" ${does}`, repair: (signal) => settle(scene, object, signal) };
}

/** A repair never removes a volume: that is for a person to say. */
function removesVolume(scene: Scene, object: ObjectName): boolean {
  const { store } = scene;
  const operations = store.openOperations().filter((open) => open.object === object);
  const undone = operations.flatMap(({ makes, forward }) => (forward ? [] : makes));
  const released = operations.flatMap(({ releases }) => releases).map((key) => store.effect(key));
  const unwanted = store.effectsOf(object).filter((held) => isUnwanted(scene, held));
  return [...undone, ...released, ...unwanted].some((effect) => effect?.kind === 'volume');
}

function waits({ replay }: Scene, object: ObjectName): string {
  const reason = replay.waiting().get(object);
  return reason === undefined ? '' : ` (last try: ${reason})`;
}
