/** Container names: which are valid, and made-up ones like `quiet_crane`. */
import { randomInt } from 'node:crypto';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { Store } from '../../store/store.ts';

const VALID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const QUALITIES =
  'agile amber brave bright brisk calm clear clever coastal crisp eager early even fair fleet fond gentle glad golden green handy happy honest humble keen kind level light lively loyal lucid mellow merry mighty neat nimble noble open patient plain polite prime proud quick quiet rapid ready rosy round sharp silent silver sleek smart smooth snug solid sound spry steady still stout strong sturdy sunny swift tidy true trusty upright vivid warm wise witty'.split(
    ' ',
  );
const THINGS =
  'anchor anvil barge beam berth bollard boom bow bridge buoy cable capstan cargo chain cleat cog compass crane crate davit deck derrick dock ferry flange girder harbor hatch hawser helm hoist hold hook hull jetty keel ladder lantern latch lever lighter lock mast mooring oar pallet pier piling pilot pivot port prow pulley quay raft ratchet rigger rivet rope rudder sail sextant shackle skiff slip spar spool stern tackle tide tiller trestle truss tug valve wharf winch windlass yard yoke'.split(
    ' ',
  );

/** Names taken by containers on the books and by creates still under way. */
export class ContainerNames {
  readonly #store: Store;
  readonly #reserved = new Map<string, string>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Takes `wanted`, or a made-up name when it is '', for container `id`. The result releases it again. */
  reserve(wanted: string, id: string): { name: string; release: () => void } {
    const name = wanted === '' ? this.#makeUp() : wanted.replace(/^\//, '');
    if (!VALID.test(name)) {
      throw new HostError(
        'InvalidArgument',
        'INVALID_CONTAINER_NAME',
        `Invalid container name (${wanted}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
      );
    }
    const holder = this.#holder(name);
    if (holder !== undefined) {
      throw new HostError(
        'Conflict',
        'CONTAINER_NAME_TAKEN',
        `Conflict. The container name "/${name}" is already in use by container "${holder}". You have to remove (or rename) that container to be able to reuse that name.`,
      );
    }
    this.#reserved.set(name, id);
    return { name, release: () => this.#reserved.delete(name) };
  }

  #holder(name: string): string | undefined {
    return (
      this.#reserved.get(name) ??
      this.#store.records.all('container').find((other) => other.name === name)?.id
    );
  }

  #makeUp(): string {
    for (let round = 0; ; round += 1) {
      const pair = `${QUALITIES[randomInt(QUALITIES.length)]}_${THINGS[randomInt(THINGS.length)]}`;
      const name = round < 5 ? pair : `${pair}${randomInt(10 ** Math.min(round - 4, 9))}`;
      if (this.#holder(name) === undefined) return name;
    }
  }
}
