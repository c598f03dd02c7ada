/** Names for the shell to offer: the daemon's, if there is one that answers soon, and those of built-in drivers. */
import { builtinDrivers } from '../../builtins.ts';
import type { Client } from '../client.ts';
import type { Candidate } from './candidates.ts';

export function builtinNames(): readonly Candidate[] {
  return builtinDrivers().map(({ point, name }) => ({ text: `${point.word}-${name}`, help: point.id }));
}

/** Each by its name, and by `POINT/NAME` where a name stands for several. */
export async function driverNames(client: Client, limitMs: number): Promise<readonly Candidate[]> {
  const signal = AbortSignal.timeout(limitMs);
  const { drivers } = (await client.get('/gantry/drivers', { signal })) as {
    drivers: readonly { point: string; name: string; state: string }[];
  };
  return drivers.map(({ point, name, state }) => {
    const several = drivers.filter((other) => other.name === name).length > 1;
    return { text: several ? `${point}/${name}` : name, help: `${point || 'plugin'}, ${state}` };
  });
}

type Kind = 'container' | 'volume' | 'image';

const KINDS: Readonly<
  Record<Kind, (get: (path: string) => Promise<unknown>) => Promise<readonly Candidate[]>>
> = {
  container: async (get) => {
    const all = await get('/containers/json?all=1');
    return (all as readonly { Names: readonly string[]; Status: string }[]).map(({ Names, Status }) => ({
      text: (Names[0] ?? '').slice(1),
      help: Status,
    }));
  },
  volume: async (get) => {
    const { Volumes } = (await get('/volumes')) as {
      Volumes: readonly { Name: string; Driver: string }[] | null;
    };
    return (Volumes ?? []).map(({ Name, Driver }) => ({ text: Name, help: Driver }));
  },
  image: async (get) => {
    const all = (await get('/images/json')) as readonly { RepoTags: readonly string[] | null }[];
    return all.flatMap(({ RepoTags }) => RepoTags ?? []).map((tag) => ({ text: tag }));
  },
};

/** `container/NAME`, `volume/NAME`, `image/NAME`: of the kinds that `begun` may become, those that answer in time. */
export async function objectNames(
  client: Client,
  begun: string,
  limitMs: number,
): Promise<readonly Candidate[]> {
  const kinds = (Object.keys(KINDS) as Kind[]).filter(
    (kind) => `${kind}/`.startsWith(begun) || begun.startsWith(`${kind}/`),
  );
  const signal = AbortSignal.timeout(limitMs);
  const found = kinds.map(async (kind) => {
    const names = await KINDS[kind]((path) => client.get(path, { signal })).catch(() => []);
    return names.map(({ text, ...rest }) => ({ text: `${kind}/${text}`, ...rest }));
  });
  return (await Promise.all(found)).flat();
}
