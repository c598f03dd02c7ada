/**
 * The plugin dies while it is asked something, before it does it or after, and comes back a moment later. Its books and
 * ours must agree then, by themselves; nothing may be lost or doubled.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Cut } from './client.ts';
import { IMAGE } from './images.ts';
import { faultsOf } from './invariants.ts';
import { type Machine, PLUGIN } from './machine.ts';
import { Person } from './person.ts';
import type { Outcome } from './runs.ts';
import { tidy } from './tidy.ts';

/** `Path` is asked of the local driver alone. */
export const METHODS: readonly string[] = [
  'Plugin.Activate',
  ...['Capabilities', 'Create', 'Get', 'List', 'Mount', 'Unmount', 'Remove'].map(
    (word) => `VolumeDriver.${word}`,
  ),
];
const AWAY_MS = 100;

export async function pluginDeath(
  machine: Machine,
  { method, when }: { method: string; when: 'before' | 'after' },
): Promise<Outcome> {
  await machine.killPlugin();
  writeFileSync(machine.behaveFile, JSON.stringify({ [method]: { die: when, times: 1 } }));
  await machine.startPlugin();
  let isOver = false;
  const nurse = machine.pluginEnded().then(async () => {
    if (isOver) return;
    rmSync(machine.behaveFile);
    await delay(AWAY_MS);
    await machine.startPlugin();
  });
  const died = machine.pluginEnded().then(() => 1);
  const errors = await use(machine);
  // Also when it died at the last call: its end is noticed a little later.
  const deaths = await Promise.race([died, delay(AWAY_MS, 0)]);
  isOver = true;
  if (deaths > 0) await nurse;
  rmSync(machine.behaveFile, { force: true });
  const nobody = new Person(machine);
  const faults = [...(await faultsOf(machine, nobody)), ...(await tidy(machine))];
  if (faults.length > 0) return { points: deaths, faults };
  const after = await use(machine);
  const strange = [
    ...after.map((error) => `with the plugin back: ${error}`),
    ...(await faultsOf(machine, nobody)),
  ];
  return { points: deaths, faults: [...strange, ...unknownErrors(errors)] };
}

/** Every call that a volume's life has; answers what failed. */
async function use(machine: Machine): Promise<readonly string[]> {
  const person = new Person(machine);
  const errors: string[] = [];
  const attempt = async <T>(what: Promise<T>): Promise<T | undefined> => {
    try {
      return await what;
    } catch (error) {
      if (error instanceof Cut) throw error;
      errors.push((error as Error).message);
      return undefined;
    }
  };
  const { client } = machine;
  await attempt(person.createVolume('pk', PLUGIN));
  await attempt(client.get('/volumes'));
  await attempt(client.get('/volumes/pk'));
  await attempt(client.get('/volumes/unknown').catch(() => {}));
  const mounts = [
    { Type: 'volume', Source: 'pk', Target: '/pk', VolumeOptions: { DriverConfig: { Name: PLUGIN } } },
  ];
  const body = { Image: IMAGE, Cmd: ['sh', '-c', 'while :; do usleep 20000; done'] };
  const id = await attempt(
    person.create({ body: { ...body, HostConfig: { NetworkMode: 'none', Mounts: mounts } } }),
  );
  if (id !== undefined) {
    await attempt(person.start(id));
    if (person.containers.get(id)?.runs === 'yes') await attempt(person.kill(id));
    await attempt(person.remove(id));
  }
  await attempt(person.removeVolume('pk'));
  return errors;
}

/** A call whose plugin died may fail, in words that name the plugin. */
function unknownErrors(errors: readonly string[]): readonly string[] {
  return errors
    .filter((error) => !/plugin|no such volume|get pk|unknown/i.test(error))
    .map((error) => `unclear: ${error}`);
}
