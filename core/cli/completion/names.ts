/** Names for the shell to offer: the daemon's, if there is one that answers soon, and those of built-in drivers. */
import { builtinDrivers } from '../../builtins.ts';
import type { Client } from '../client.ts';
import type { Candidate } from './candidates.ts';

export function builtinNames(): readonly Candidate[] {
  return builtinDrivers().map(({ point, name }) => ({ text: `${point.word}-${name}`, help: point.id }));
}

/** Each by its name, and by `POINT/NAME` where a name stands for several. */
export async function driverNames(client: Client): Promise<readonly Candidate[]> {
  const { drivers } = (await client.get('/gantry/drivers')) as {
    drivers: readonly { point: string; name: string; state: string }[];
  };
  return drivers.map(({ point, name, state }) => {
    const several = drivers.filter((other) => other.name === name).length > 1;
    return { text: several ? `${point}/${name}` : name, help: `${point || 'plugin'}, ${state}` };
  });
}

/** `container/NAME`, `volume/NAME`, `image/NAME`. */
export async function objectNames(client: Client): Promise<readonly Candidate[]> {
  const [containers, volumes, images] = await Promise.all([
    client.get('/containers/json?all=1') as Promise<readonly { Names: readonly string[]; Status: string }[]>,
    client.get('/volumes') as Promise<{ Volumes: readonly { Name: string; Driver: string }[] | null }>,
    client.get('/images/json') as Promise<readonly { RepoTags: readonly string[] | null }[]>,
  ]);
  return [
    ...containers.map(({ Names, Status }) => ({ text: `container${Names[0] ?? '/'}`, help: Status })),
    ...(volumes.Volumes ?? []).map(({ Name, Driver }) => ({ text: `volume/${Name}`, help: Driver })),
    ...images.flatMap(({ RepoTags }) => (RepoTags ?? []).map((tag) => ({ text: `image/${tag}` }))),
  ];
}
