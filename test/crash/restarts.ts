/** What may crash, one after the other, under a container that runs: the plugin, the daemon, the machine. */
import { setTimeout as delay } from 'node:timers/promises';
import { IMAGE } from './images.ts';
import { countFaults, faultsOf, loggedNumbers } from './invariants.ts';
import { type Machine, PLUGIN } from './machine.ts';
import { Person } from './person.ts';
import type { Outcome } from './runs.ts';
import { tidy } from './tidy.ts';

const COUNT = 'i=0; while :; do i=$((i+1)); echo $i; usleep 5000; done';

export async function restarts(machine: Machine): Promise<Outcome> {
  const person = new Person(machine);
  await person.createVolume('kept', PLUGIN);
  await person.createVolume('options', 'local', { type: 'tmpfs', device: 'tmpfs' });
  const mounts = ['kept', 'options'].map((name) => ({ Type: 'volume', Source: name, Target: `/${name}` }));
  const hostConfig = { NetworkMode: 'none', Mounts: mounts };
  const body = { Image: IMAGE, Cmd: ['sh', '-c', COUNT], HostConfig: hostConfig };
  const id = await person.create({ body, counts: true });
  await person.start(id);

  const faults: string[] = [];
  await machine.killPlugin();
  await machine.startPlugin();
  faults.push(...(await faultsOf(machine, person)));
  await growing(machine, id);

  await machine.end('SIGKILL');
  const before = loggedNumbers(machine, id).length;
  await delay(200);
  await machine.start();
  faults.push(...(await faultsOf(machine, person)), ...countFaults(machine, id));
  if (loggedNumbers(machine, id).length <= before)
    faults.push('nothing was logged while the daemon was away');

  await machine.restart();
  await machine.start();
  faults.push(...(await faultsOf(machine, person, { powerWasCut: true })));
  person.containers.set(id, {
    belief: 'there',
    runs: 'no',
    autoRemove: false,
    name: undefined,
    counts: false,
    comesBack: false,
  });
  await person.start(id);
  faults.push(...(await faultsOf(machine, person)), ...(await tidy(machine)));
  return { points: 3, faults };
}

async function growing(machine: Machine, id: string): Promise<void> {
  const before = loggedNumbers(machine, id).length;
  while (loggedNumbers(machine, id).length <= before) await delay(5);
}
