/**
 * Reads the lists as fast as it can while others write. Whatever it once saw must still be true after the power was cut,
 * unless somebody asked otherwise meanwhile.
 */
import { Client, Cut } from './client.ts';
import type { Machine } from './machine.ts';
import type { Person } from './person.ts';

const UNNAMED = /^volume\/[0-9a-f]{64}$/;

export class Reader {
  readonly #client: Client;
  readonly #seen = new Map<string, 'there' | 'gone'>();
  #stopped = false;
  #reading: Promise<void>;
  reads = 0;

  constructor(machine: Machine) {
    this.#client = new Client(machine.socket);
    this.#reading = this.#read();
  }

  /** Resolves when the last read has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#reading;
    this.#client.close();
  }

  /** What it saw and is not so any more. */
  async faults(machine: Machine, person: Person): Promise<string[]> {
    const now = await objects(machine.client);
    const unasked = [...this.#seen].filter(([name]) => !this.#mayHaveChanged(name, person));
    return unasked.flatMap(([name, state]) => {
      if (state === 'there' && !now.has(name)) return [`a reader saw ${name}, and it is lost`];
      if (state === 'gone' && now.has(name)) return [`a reader saw ${name} gone, and it is back`];
      return [];
    });
  }

  #mayHaveChanged(name: string, person: Person): boolean {
    const id = name.slice(name.indexOf('/') + 1);
    if (name.startsWith('container/'))
      return person.askedAway.has(name) || person.containers.get(id)?.autoRemove === true;
    // A container's own volumes go with it.
    if (UNNAMED.test(name))
      return person.askedAway.size > 0 || [...person.containers.values()].some((one) => one.autoRemove);
    return (
      person.askedAway.has(name) || person.volumes.get(id) === 'unsure' || person.images.get(id) === 'unsure'
    );
  }

  async #read(): Promise<void> {
    while (!this.#stopped) {
      try {
        const now = await objects(this.#client);
        this.reads += 1;
        for (const name of now) this.#seen.set(name, 'there');
        for (const name of this.#seen.keys()) if (!now.has(name)) this.#seen.set(name, 'gone');
      } catch (error) {
        if (error instanceof Cut) return;
        throw error;
      }
    }
  }
}

async function objects(client: Client): Promise<ReadonlySet<string>> {
  const [{ Volumes }, containers, images] = await Promise.all([
    client.get<{ Volumes: { Name: string }[] | null }>('/volumes'),
    client.get<{ Id: string }[]>('/containers/json?all=1'),
    client.get<{ RepoTags: string[] | null }[]>('/images/json'),
  ]);
  const names = images.flatMap(({ RepoTags }) => RepoTags ?? []);
  return new Set([
    ...(Volumes ?? []).map(({ Name }) => `volume/${Name}`),
    ...containers.map(({ Id }) => `container/${Id}`),
    ...names.map((name) => `image/${name}`),
  ]);
}
