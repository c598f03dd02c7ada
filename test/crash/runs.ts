/**
 * One run: a machine at rest, a scenario cut off somewhere, and then everything that must hold. A run says exactly where
 * it is cut, so that it can be had again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Cut } from './client.ts';
import { IMAGE } from './images.ts';
import { faultsOf } from './invariants.ts';
import { missedByFsck } from './left-overs.ts';
import type { Machine } from './machine.ts';
import { manyClients } from './many-clients.ts';
import { Person } from './person.ts';
import { pluginDeath } from './plugin-deaths.ts';
import { Reader } from './reader.ts';
import { restarts } from './restarts.ts';
import { SCENARIOS, type Scenario } from './scenarios.ts';
import { tidy } from './tidy.ts';

/** Where a scenario is cut off: by the daemon's death, or by a power cut. */
export type Run =
  /** At the daemon's `point`-th point, and again at the `recovery`-th of the start after it. */
  | { readonly kind: 'death'; readonly scenario: number; readonly point: number; readonly recovery?: number }
  /** At the daemon's `point`-th point, with fsck instead of replay at the next start. */
  | { readonly kind: 'left-overs'; readonly scenario: number; readonly point: number }
  /** Some time after the beginning. */
  | { readonly kind: 'kill'; readonly scenario: number; readonly afterMs: number }
  /** After the client's `success`-th success; `unsafe`: with a daemon that syncs nothing. */
  | { readonly kind: 'power'; readonly scenario: number; readonly success: number; readonly unsafe?: boolean }
  | { readonly kind: 'power at death'; readonly scenario: number; readonly point: number }
  /** Some time after the beginning, with somebody who reads all the while. */
  | { readonly kind: 'power under a reader'; readonly scenario: number; readonly afterMs: number }
  | { readonly kind: 'plugin death'; readonly method: string; readonly when: 'before' | 'after' }
  | { readonly kind: 'many clients'; readonly seed: number; readonly seconds: number }
  | { readonly kind: 'restarts' };

export interface Outcome {
  /** 0 when the scenario came to its end without being cut off. */
  readonly points: number;
  readonly faults: readonly string[];
}

export async function perform(machine: Machine, run: Run): Promise<Outcome> {
  if (run.kind === 'plugin death') return pluginDeath(machine, run);
  if (run.kind === 'many clients') return manyClients(machine, run);
  if (run.kind === 'restarts') return restarts(machine);
  const scenario = SCENARIOS[run.scenario];
  if (!scenario) throw new Error(`there is no scenario ${run.scenario}`);
  switch (run.kind) {
    case 'death':
      return death(machine, scenario, run);
    case 'left-overs':
      return leftOvers(machine, scenario, run.point);
    case 'kill':
      return kill(machine, scenario, run.afterMs);
    case 'power':
      return power(machine, scenario, run);
    case 'power at death':
      return powerAtDeath(machine, scenario, run.point);
    case 'power under a reader':
      return powerUnderReader(machine, scenario, run.afterMs);
  }
}

/** Points and successes of a scenario that nobody cuts off. */
export async function measure(
  machine: Machine,
  index: number,
): Promise<{ points: number; successes: number; ms: number }> {
  const scenario = SCENARIOS[index];
  if (!scenario) throw new Error(`there is no scenario ${index}`);
  await machine.order(0);
  const person = new Person(machine);
  const begun = performance.now();
  await scenario.run(person);
  const ms = performance.now() - begun;
  const points = machine.pointsPassed().length;
  const faults = await tidy(machine);
  if (faults.length > 0) throw new Error(faults.join('\n'));
  return { points, successes: person.successes, ms };
}

async function death(
  machine: Machine,
  scenario: Scenario,
  { point, recovery }: { point: number; recovery?: number },
): Promise<Outcome> {
  await machine.order(point);
  const person = new Person(machine);
  const died = await diesIn(scenario, person);
  if (!died) return { points: 0, faults: await settleDown(machine, person, scenario) };
  await machine.end();
  let points = 1;
  if (recovery !== undefined) {
    const env = { GANTRY_FAILPOINT: String(recovery), GANTRY_FAILPOINT_FROM: 'recovery' };
    if (!(await machine.start({ env }))) points += 1;
    else await machine.end('SIGKILL');
  }
  await machine.start();
  return { points, faults: await settleDown(machine, person, scenario) };
}

async function leftOvers(machine: Machine, scenario: Scenario, point: number): Promise<Outcome> {
  const person = new Person(machine);
  const missed = await missedByFsck(machine, scenario, person, point);
  if (missed === undefined) return { points: 0, faults: await settleDown(machine, person, scenario) };
  await machine.end('SIGKILL');
  await machine.start();
  return { points: 1, faults: [...missed, ...(await settleDown(machine, person, scenario))] };
}

async function kill(machine: Machine, scenario: Scenario, afterMs: number): Promise<Outcome> {
  const person = new Person(machine);
  const over = isCutOff(scenario, person);
  over.catch(() => {}); // awaited below
  await delay(afterMs);
  await machine.end('SIGKILL');
  const died = await over;
  await machine.start();
  return { points: died ? 1 : 0, faults: await settleDown(machine, person, scenario) };
}

async function power(
  machine: Machine,
  scenario: Scenario,
  { success, unsafe = false }: { success: number; unsafe?: boolean },
): Promise<Outcome> {
  if (unsafe) {
    await machine.end('SIGKILL');
    await machine.start({ env: { GANTRY_UNSAFE_NO_SYNC: '1' } });
  }
  const person = new Person(machine, async (count) => {
    if (count !== success) return;
    await machine.cutPower();
    throw new Cut('the power went');
  });
  const died = await isCutOff(scenario, person);
  if (died) await machine.start();
  return { points: died ? 1 : 0, faults: await settleDown(machine, person, scenario, died) };
}

async function powerAtDeath(machine: Machine, scenario: Scenario, point: number): Promise<Outcome> {
  await machine.order(point);
  const person = new Person(machine);
  const died = await diesIn(scenario, person);
  if (died) {
    await machine.end();
    await machine.cutPower();
    await machine.start();
  }
  return { points: died ? 1 : 0, faults: await settleDown(machine, person, scenario, died) };
}

async function powerUnderReader(machine: Machine, scenario: Scenario, afterMs: number): Promise<Outcome> {
  const person = new Person(machine);
  const reader = new Reader(machine);
  const over = isCutOff(scenario, person);
  over.catch(() => {}); // awaited below
  await delay(afterMs);
  await machine.cutPower();
  await over;
  await reader.stop();
  await machine.start();
  const faults = await reader.faults(machine, person);
  return {
    points: reader.reads > 0 ? 1 : 0,
    faults: [...faults, ...(await settleDown(machine, person, scenario, true))],
  };
}

/** As `isCutOff`, for an armed daemon: one that lives at the end does not die later of what it writes by itself. */
async function diesIn(scenario: Scenario, person: Person): Promise<boolean> {
  return (await isCutOff(scenario, person)) || !(await person.machine.disarm());
}

/** False when the scenario came to its end. */
async function isCutOff(scenario: Scenario, person: Person): Promise<boolean> {
  try {
    await scenario.run(person);
    return false;
  } catch (error) {
    if (error instanceof Cut || person.machine.isPowerOff) return true;
    throw error;
  }
}

/** Everything that must hold now; that what is there can be used and removed; and that the scenario can be done again. */
async function settleDown(
  machine: Machine,
  person: Person,
  scenario: Scenario,
  powerWasCut = false,
): Promise<readonly string[]> {
  await machine.plugin.behave({});
  const faults = [
    ...(await faultsOf(machine, person, { powerWasCut })),
    ...(await unusable(machine, person)),
    ...(await tidy(machine)),
  ];
  if (faults.length > 0) return faults;
  const again = new Person(machine);
  await scenario.run(again);
  return [
    ...(await tidy(machine)),
    ...(await faultsOf(machine, again)).map((fault) => `done again: ${fault}`),
  ];
}

/** Containers that somebody was promised must start, and the image must run. */
async function unusable(machine: Machine, person: Person): Promise<readonly string[]> {
  const faults: string[] = [];
  for (const [id, { belief, autoRemove }] of person.containers) {
    if (belief !== 'there' || autoRemove) continue;
    // A container that was left paused has to be let go first; another refuses that.
    await machine.client.ask('POST', `/containers/${id}/unpause`);
    const { status, text } = await machine.client.ask('POST', `/containers/${id}/start`);
    // What cannot run could not before either.
    if (status >= 300 && status !== 304 && !/no such file/.test(text))
      faults.push(`start ${id}: ${status} ${text.trim()}`);
  }
  const body = { Image: IMAGE, Cmd: ['true'], HostConfig: { NetworkMode: 'none', AutoRemove: true } };
  const code = await new Person(machine).runToEnd({ body });
  if (code !== 0) faults.push(`${IMAGE}: true ended with ${code}`);
  return faults;
}
