/** Sixteen clients who do whatever comes to their mind with four names, for some seconds: all must come to their end. */
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from './client.ts';
import { IMAGE } from './images.ts';
import { faultsOf } from './invariants.ts';
import { type Machine, PLUGIN } from './machine.ts';
import { Person } from './person.ts';
import { type Random, random } from './random.ts';
import type { Outcome } from './runs.ts';
import { tidy } from './tidy.ts';

const CLIENTS = 16;
const NAMES = ['one', 'two', 'three', 'four'];
/** After the last operation has begun. */
const END_MS = 60_000;

export async function manyClients(
  machine: Machine,
  { seed, seconds }: { seed: number; seconds: number },
): Promise<Outcome> {
  const until = Date.now() + seconds * 1_000;
  const faults: string[] = [];
  let done = 0;
  const clients = Array.from({ length: CLIENTS }, async (_, index) => {
    const client = new Client(machine.socket);
    const chance = random(seed * CLIENTS + index);
    while (Date.now() < until) {
      const what = operation(chance);
      const { status, text } = await client.ask(...what);
      done += 1;
      if (status >= 500) faults.push(`${what[0]} ${what[1]}: ${status} ${text.trim()}`);
    }
    client.close();
  });
  const late = delay(seconds * 1_000 + END_MS, 'late' as const, { ref: false });
  if ((await Promise.race([Promise.all(clients), late])) === 'late')
    faults.push('some clients wait for ever');
  const nobody = new Person(machine);
  faults.push(
    ...(await faultsOf(machine, nobody)),
    ...(await tidy(machine)),
    ...(await faultsOf(machine, nobody)),
  );
  return { points: done > 0 ? 1 : 0, faults };
}

type Request = [method: string, path: string, body?: object];

function operation(chance: Random): Request {
  const name = chance.pick(NAMES);
  const driver = chance.pick(['local', PLUGIN]);
  const operations: readonly (() => Request)[] = [
    () => ['POST', '/volumes/create', { Name: name, Driver: driver }],
    () => ['DELETE', `/volumes/${name}`],
    () => ['GET', `/volumes/${name}`],
    () => ['POST', `/containers/create?name=${name}`, containerOf(chance)],
    () => ['POST', `/containers/${name}/start`],
    () => ['POST', `/containers/${name}/stop?t=0`],
    () => ['POST', `/containers/${name}/kill`],
    () => ['DELETE', `/containers/${name}?force=${chance.below(2)}&v=${chance.below(2)}`],
    () => ['GET', `/containers/${name}/json`],
    () => ['GET', '/containers/json?all=1'],
    () => ['GET', '/volumes'],
    () => ['POST', `/volumes/prune?filters=${encodeURIComponent(JSON.stringify({ all: ['true'] }))}`],
  ];
  return chance.pick(operations)();
}

function containerOf(chance: Random): object {
  const binds = [`${chance.pick(NAMES)}:/v`, `${chance.pick(NAMES)}:/w`].slice(chance.below(3));
  const script = chance.pick(['while :; do usleep 20000; done', 'true']);
  return {
    Image: IMAGE,
    Cmd: ['sh', '-c', script],
    Volumes: chance.below(3) === 0 ? { '/data': {} } : {},
    HostConfig: { NetworkMode: 'none', Binds: binds, AutoRemove: chance.below(3) === 0 },
  };
}
