/** Effects on the books that should be there: each is probed. */
import { messageChain } from '@gantry/plugin-sdk/errors.ts';
import { mounts } from '@gantry/plugin-sdk/system/mount.ts';
import type { EffectArgs, EffectHandler, EffectKind, HeldEffect } from '../../store/effect.ts';
import { isBusy } from './books.ts';
import { type Check, type Found, type Scene, soon } from './finding.ts';
import { parentOf } from './processes.ts';

export const absentEffects: Check = async (scene, signal) => {
  const expected = scene.store
    .allEffects()
    .filter((held) => !isBusy(scene, held.owner) && !scene.replay.isLeftOver(held));
  const unchecked = new Map<string, unknown>();
  const found = await Promise.all(
    expected.map(async (held) => {
      try {
        const state = await probe(scene, held, soon(signal));
        return state === 'absent' && !isSeenByTask(scene, held) ? [absent(scene, held)] : [];
      } catch (error) {
        unchecked.set(driverOf(held), error);
        return [];
      }
    }),
  );
  return [...found.flat(), ...[...unchecked].map(([driver, error]) => notChecked(driver, error))];
};

function probe({ store }: Scene, { kind, args }: HeldEffect, signal: AbortSignal) {
  return (store.handlerOf(kind) as EffectHandler<EffectKind>).probe(args, signal);
}

/**
 * Where the launcher gives the daemon a mount namespace of its own, a restarted daemon may not see what an earlier one
 * has mounted for a container that goes on: the container's supervisor does.
 */
function isSeenByTask({ store }: Scene, { owner, kind, args }: HeldEffect): boolean {
  if (!['snapshot-mount', 'bind-mount', 'shm-mount'].includes(kind)) return false;
  const pid = store.records.get('container', owner.slice('container/'.length))?.state.pid;
  if (!pid) return false;
  try {
    const { target } = args as EffectArgs['snapshot-mount'];
    return mounts(parentOf(pid)).some((entry) => entry.target === target);
  } catch {
    return false;
  }
}

function absent(scene: Scene, held: HeldEffect): Found {
  if (held.kind === 'volume') {
    const { name, driver } = held.args as EffectArgs['volume'];
    return {
      kind: 'volume-absent',
      subject: name,
      what: `volume "${name}" is on the books, but its driver "${driver}" says that it does not have it`,
      mend: `bring it back at the driver, or give it up with "docker volume rm ${name}"`,
    };
  }
  return {
    kind: 'effect-absent',
    subject: held.key,
    what: `effect ${held.key} of ${ownerName(scene, held)} is on the books, but not there`,
    mend: mendOf(held.kind, held, ownerName(scene, held)),
  };
}

function mendOf(kind: EffectKind, { args }: HeldEffect, owner: string): string {
  if (kind === 'host-directory' && (args as EffectArgs['host-directory']).keep) {
    return `make the directory "${(args as EffectArgs['host-directory']).path}" again`;
  }
  if (kind === 'snapshot' || kind === 'host-directory') {
    return `its files are lost: "docker rm -f ${owner}" and make it again`;
  }
  return `"docker restart ${owner}" makes it anew`;
}

function notChecked(driver: string, error: unknown): Found {
  return {
    kind: 'unchecked',
    subject: driver,
    what: `what the books say of driver "${driver}" could not be checked: ${messageChain(error)}`,
    mend: `get the driver to answer ("gantry driver inspect ${driver}"), then check again`,
  };
}

function driverOf({ args, kind }: HeldEffect): string {
  return 'driver' in args ? args.driver : kind;
}

function ownerName({ store }: Scene, { owner }: HeldEffect): string {
  const id = owner.slice(owner.indexOf('/') + 1);
  return store.records.get('container', id)?.name ?? id;
}
