/**
 * What must be true of a machine at rest, whatever happened to it before: nothing left open, nothing left over, nothing
 * lost. Looks at the disk, the kernel and the plugin by itself and believes the daemon in nothing but its books.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { mounts } from '@gantry/plugin-sdk/system/mount.ts';
import type { HeldEffect } from '../../core/store/effect.ts';
import type { ContainerRecord } from '../../core/store/record-types.ts';
import { cgroupsOf } from '../fixtures/left-behind.ts';
import { type Books, readBooks } from './books.ts';
import { IMAGE } from './images.ts';
import { limitFaults } from './limits.ts';
import { type Machine, PLUGIN } from './machine.ts';
import type { Person } from './person.ts';

/** Longer than the background takes: a replay, a retry of one, the trash. */
const REST_MS = 6_000;
const LOOK_MS = 40;
const FILLERS = ['none', 'nothing'];

/** Faults, in words; looks again until there are none or the time for coming to rest is over. */
export async function faultsOf(
  machine: Machine,
  person: Person,
  { powerWasCut = false } = {},
): Promise<readonly string[]> {
  const until = Date.now() + REST_MS;
  for (;;) {
    const faults = await look(machine, person, powerWasCut);
    if (faults.length === 0) {
      const found = await fsckFaults(machine);
      if (found.length === 0) return [];
      faults.push(...found);
    }
    if (Date.now() > until) return faults;
    await delay(LOOK_MS);
  }
}

async function look(machine: Machine, person: Person, powerWasCut: boolean): Promise<string[]> {
  machine.noteIds();
  const books = readBooks(machine.dataRoot);
  return [
    ...ledgerFaults(machine, books),
    ...fileFaults(machine, books),
    ...kernelFaults(machine, books),
    ...pluginFaults(machine, books),
    ...[...person.filled].flatMap((name) => contentFaults(machine, name)),
    ...limitFaults(books, person),
    ...(await promiseFaults(machine, person, powerWasCut)),
  ];
}

/**
 * What is open or left over now, lost things apart, which only replay brings back, and the trash, which the driver is
 * about to empty.
 */
export function leftBehind(machine: Machine): readonly string[] {
  machine.noteIds();
  const books = readBooks(machine.dataRoot);
  const faults = [
    ...ledgerFaults(machine, books),
    ...fileFaults(machine, books),
    ...kernelFaults(machine, books),
    ...pluginFaults(machine, books),
  ];
  const left = faults.filter((fault) => /left: |still open: |nobody wants: /.test(fault));
  return left.filter((fault) => !fault.startsWith('trash'));
}

function ledgerFaults(machine: Machine, books: Books): string[] {
  const open = books.operations.map((operation) => `operation still open: ${operation}`);
  const unwanted = books.effects.filter((held) => !isWanted(books, held) && isThere(machine, held));
  return [...open, ...unwanted.map(({ key, owner }) => `effect nobody wants: ${key} of ${owner}`)];
}

function isWanted(books: Books, { owner, kind, args }: HeldEffect): boolean {
  const id = owner.slice(owner.indexOf('/') + 1);
  if (owner.startsWith('volume/')) return books.volumes.some(({ name }) => name === id);
  const container = books.containers.find((one) => one.id === id);
  if (container?.state.status === 'running') return true;
  const keeps =
    kind === 'host-directory' || (kind === 'snapshot' && !(args as { readOnly?: boolean }).readOnly);
  return container !== undefined && keeps;
}

/** What is undone in a way that a power cut could reverse stays on the books for some seconds; then it must be gone. */
function isThere(machine: Machine, { kind, args }: HeldEffect): boolean {
  const { driver, name, key, path } = args as { driver?: string; name?: string; key?: string; path?: string };
  if (kind === 'volume' && driver === 'local') return existsSync(join(localVolumes(machine), name ?? ''));
  if (kind === 'snapshot') return existsSync(join(overlay(machine), 'snapshots', key ?? ''));
  if (kind === 'host-directory') return existsSync(path ?? '');
  return true;
}

function fileFaults(machine: Machine, books: Books): string[] {
  const { dataRoot, execRoot } = machine;
  const ids = books.containers.map(({ id }) => id);
  const running = runningOf(books).map(({ id }) => id);
  const snapshots = keysOf(books, 'snapshot', (held) => isWanted(books, held));
  const layers = new Set(books.images.flatMap((image) => image.layers));
  const blobs = new Set(books.images.flatMap(({ id, manifest, blobs }) => [id, manifest, ...blobs]));
  const locals = books.volumes.filter(({ driver }) => driver === 'local');
  const withOptions = locals.filter(({ options }) => Object.keys(options ?? {}).length > 0);
  return [
    ...differences('container directory', entries(join(dataRoot, 'containers')), ids),
    ...strangers('container state', entries(join(execRoot, 'containers')), ids),
    ...differences('task', tasksOf(machine), running),
    ...strangers('task state', runtimeStates(machine), running),
    ...differences('snapshot', entries(join(overlay(machine), 'snapshots')), snapshots),
    ...differences('layer', entries(join(overlay(machine), 'layers')), [...layers].map(hexOf)),
    ...strangers('staged layer', entries(join(overlay(machine), 'staging')), []),
    ...strangers('trash', entries(join(overlay(machine), 'trash')), []),
    ...linkFaults(machine, layers.size),
    ...differences('blob', entries(join(dataRoot, 'content/blobs/sha256')), [...blobs].map(hexOf)),
    ...strangers('half written blob', entries(join(dataRoot, 'content/ingest')), []),
    ...differences('local volume', entries(localVolumes(machine)), [
      '.trash',
      '.options',
      ...locals.map(({ name }) => name),
    ]),
    ...differences(
      'options of a volume',
      entries(join(localVolumes(machine), '.options')).map((file) => basename(file, '.json')),
      withOptions.map(({ name }) => name),
    ),
    ...strangers('trash of volumes', entries(join(localVolumes(machine), '.trash')), []),
  ];
}

function linkFaults(machine: Machine, layers: number): string[] {
  const links = entries(join(overlay(machine), 'l')).filter((name) => !FILLERS.includes(name));
  return links.length === layers ? [] : [`${links.length} short names for ${layers} layers`];
}

function kernelFaults(machine: Machine, books: Books): string[] {
  const running = new Set(runningOf(books).map(({ id }) => id));
  const processes = processesBelow(machine);
  const gone = [...machine.idsSeen].filter((id) => !running.has(id));
  return [
    ...mountFaults(machine, running),
    ...differences('conmon', [...processes.values()], [...running]),
    ...gone.flatMap(cgroupsOf).map((dir) => `cgroup left: ${dir}`),
    ...runningOf(books)
      .filter(({ state }) => !existsSync(`/proc/${state.pid}`))
      .map(({ name }) => `container ${name} is said to run, but its process is gone`),
  ];
}

/** In the daemon's mount namespace, and in those that an earlier daemon's conmons keep. */
function mountFaults(machine: Machine, running: ReadonlySet<string>): string[] {
  const pids = [machine.pid, ...processesBelow(machine).keys()];
  const targets = new Set(pids.flatMap((pid) => safely(() => mounts(pid), []).map(({ target }) => target)));
  const ours = [...targets].filter(
    (target) => target.startsWith(`${machine.execRoot}/`) || target.startsWith(`${machine.dataRoot}/`),
  );
  return ours
    .filter((target) => ![...running].some((id) => target.includes(id)))
    .filter((target) => running.size === 0 || !target.startsWith(localVolumes(machine)))
    .map((target) => `mount left: ${target}`);
}

function pluginFaults(machine: Machine, books: Books): string[] {
  const state = JSON.parse(
    safely(() => readFileSync(join(machine.pluginRoot, '.state.json'), 'utf8'), '{}'),
  ) as {
    volumes?: Record<string, { mounts: string[] }>;
  };
  const theirs = Object.entries(state.volumes ?? {});
  const known = books.volumes.filter(({ driver }) => driver === PLUGIN).map(({ name }) => name);
  const mountIds = runningOf(books).flatMap(({ mounts }) =>
    mounts.flatMap(({ volume }) => (volume?.driver === PLUGIN ? [volume.mountId] : [])),
  );
  return [
    ...differences(
      "plugin's volume",
      theirs.map(([name]) => name),
      known,
    ),
    ...differences(
      "plugin's mount id",
      theirs.flatMap(([, { mounts }]) => mounts),
      mountIds,
    ),
  ];
}

/** What an image has at /data, and nothing besides; see images.ts. */
function contentFaults(machine: Machine, volume: string): string[] {
  const data = join(localVolumes(machine), volume);
  const texts = ['a', 'below/b'].map((file) => safely(() => readFileSync(join(data, file), 'utf8'), ''));
  const names = entries(data).sort().join(', ');
  if (texts.join('') === `one\n${IMAGE}\n` && names === 'a, below') return [];
  return [`volume ${volume} is not filled: it has ${names}, "${texts.join('", "')}"`];
}

interface Inspected {
  readonly Name: string;
  readonly RestartCount: number;
  readonly State: { readonly Running: boolean; readonly Paused: boolean };
}

/** What the person was told, against what the daemon says now. */
async function promiseFaults(machine: Machine, person: Person, powerWasCut: boolean): Promise<string[]> {
  const { client } = machine;
  const faults: string[] = [];
  for (const [name, belief] of person.volumes) {
    const { status } = await client.ask('GET', `/volumes/${name}`);
    if (belief === 'there' && status !== 200) faults.push(`volume ${name} is lost: ${status}`);
    if (belief === 'gone' && status !== 404) faults.push(`volume ${name} is back: ${status}`);
  }
  for (const [name, belief] of person.images) {
    const { status } = await client.ask('GET', `/images/${name}/json`);
    if (belief === 'there' && status !== 200) faults.push(`image ${name} is lost: ${status}`);
    if (belief === 'gone' && status !== 404) faults.push(`image ${name} is back: ${status}`);
  }
  for (const [
    id,
    { belief, runs, counts, autoRemove, comesBack, retries, paused, name },
  ] of person.containers) {
    const { status, text } = await client.ask('GET', `/containers/${id}/json`);
    const mayHaveEnded = powerWasCut && autoRemove && runs !== 'no';
    if (belief === 'there' && status !== 200 && !mayHaveEnded)
      faults.push(`container ${id} is lost: ${status}`);
    // A start that nobody was told of is taken back, and the container with it is as it was.
    if (belief === 'there' && status === 200 && mayHaveEnded && runs === 'yes')
      faults.push(`container ${id} should have gone with its end`);
    if (belief === 'gone' && status !== 404) faults.push(`container ${id} is back: ${status}`);
    if (status !== 200) continue;
    const { State, RestartCount, Name } = JSON.parse(text) as Inspected;
    if (State.Running && isFrozen(id) !== State.Paused)
      faults.push(`container ${id}: Paused is ${State.Paused}, and its cgroup says otherwise`);
    if (State.Running && paused === (State.Paused ? 'no' : 'yes'))
      faults.push(`container ${id}: Paused is ${State.Paused}, and it was told otherwise`);
    if (name !== undefined && Name !== `/${name}`)
      faults.push(`container ${id} is called ${Name}, not /${name}`);
    if (retries !== undefined && RestartCount !== retries)
      faults.push(`container ${id}: started again ${RestartCount} times and not ${retries}`);
    if (runs === 'yes' && State.Running === (powerWasCut && !comesBack))
      faults.push(`container ${id}: Running is ${State.Running}`);
    if (runs === 'no' && State.Running) faults.push(`container ${id} runs, but was stopped`);
    if (counts && State.Running) faults.push(...countFaults(machine, id));
  }
  return faults;
}

/** Told by its cgroup: a pause of the daemon's own, for a commit, is not in its record. */
function isFrozen(id: string): boolean {
  return cgroupsOf(id).some((dir) => {
    const read = (file: string) => safely(() => readFileSync(join(dir, file), 'utf8').trim(), '');
    return /FROZEN|FREEZING/.test(read('freezer.state')) || read('cgroup.freeze') === '1';
  });
}

/** Every number in its order, from the first on. */
export function countFaults(machine: Machine, id: string): string[] {
  const numbers = loggedNumbers(machine, id);
  const wrong = numbers.findIndex((number, index) => number !== index + 1);
  if (wrong >= 0) return [`log of ${id}: line ${wrong + 1} is ${numbers[wrong]}`];
  return numbers.length === 0 ? [`log of ${id} is empty`] : [];
}

/** conmon's log: `TIME stdout F text`; a line that is being written is left out. */
export function loggedNumbers(machine: Machine, id: string): readonly number[] {
  const log = readFileSync(join(machine.dataRoot, 'containers', id, 'container.log'), 'utf8');
  return log
    .slice(0, log.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(Boolean)
    .map((line) => Number(line.split(' ')[3]));
}

async function fsckFaults({ client }: Machine): Promise<string[]> {
  const { status, text } = await client.ask('GET', '/gantry/fsck');
  if (status !== 200) return [`fsck: ${status} ${text}`];
  return (JSON.parse(text) as { findings: { what: string }[] }).findings.map(({ what }) => `fsck: ${what}`);
}

function runningOf(books: Books): readonly ContainerRecord[] {
  return books.containers.filter(({ state }) => state.status === 'running');
}

function keysOf({ effects }: Books, kind: string, wanted: (held: HeldEffect) => boolean): string[] {
  const held = effects.filter((effect) => effect.kind === kind && wanted(effect));
  return held.map(({ args }) => (args as { key: string }).key);
}

/** By pid, the container that a conmon of this machine serves. */
function processesBelow({ execRoot }: Machine): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (const pid of entries('/proc').filter((name) => /^\d+$/.test(name))) {
    const cwd = safely(() => readlinkSync(`/proc/${pid}/cwd`), '').replace(/ \(deleted\)$/, '');
    if (cwd.startsWith(`${execRoot}/`)) found.set(Number(pid), cwd.slice(cwd.lastIndexOf('/') + 1));
  }
  return found;
}

function tasksOf({ execRoot }: Machine): string[] {
  const drivers = join(execRoot, 'drivers');
  return entries(drivers).flatMap((driver) => entries(join(drivers, driver, 'tasks')));
}

/** What crun and runc keep of a container. */
function runtimeStates({ execRoot }: Machine): string[] {
  const drivers = join(execRoot, 'drivers');
  return entries(drivers).flatMap((driver) => entries(join(drivers, driver, 'runtime-root')));
}

function overlay({ dataRoot }: Machine): string {
  return join(dataRoot, 'drivers/snapshot-overlay');
}

function localVolumes({ dataRoot }: Machine): string {
  return join(dataRoot, 'drivers/volume-local');
}

function differences(what: string, found: readonly string[], expected: readonly string[]): string[] {
  const lacking = expected.filter((one) => !found.includes(one));
  return [...strangers(what, found, expected), ...lacking.map((one) => `${what} lacks: ${one}`)];
}

function strangers(what: string, found: readonly string[], expected: readonly string[]): string[] {
  return found.filter((one) => !expected.includes(one)).map((one) => `${what} left: ${one}`);
}

function entries(dir: string): string[] {
  return safely(() => readdirSync(dir), []);
}

function hexOf(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1);
}

function safely<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
