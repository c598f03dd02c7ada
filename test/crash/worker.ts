/**
 * A process that performs runs, in a mount namespace of its own, on a machine that it keeps from run to run as long as
 * nothing is wrong with it. Told what to do over the IPC channel of `workers.ts`.
 */
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageChain } from '@gantry/plugin-sdk/errors.ts';
import { archiveOf, IMAGE } from './images.ts';
import { Machine } from './machine.ts';
import { Person } from './person.ts';
import { measure, type Outcome, perform, type Run } from './runs.ts';

export type Job =
  | { readonly do: 'template'; readonly file: string }
  | { readonly do: 'measure'; readonly scenario: number }
  | { readonly do: 'run'; readonly run: Run };

export interface Measured {
  readonly points: number;
  readonly successes: number;
  readonly ms: number;
}

/** Of any job; a template gives nothing more. */
export interface Result extends Outcome {
  readonly measured?: Measured;
  /** The daemon's last words, of a run that failed. */
  readonly log?: string;
}

const LOG_BYTES = 3_000;
const [dir = '', template = ''] = process.argv.slice(2);
let machine: Machine | undefined;
let made = 0;

async function answer(job: Job): Promise<Result> {
  if (job.do === 'template') return makeTemplate(job.file);
  try {
    machine ??= await newMachine();
    if (job.do === 'measure')
      return { points: 0, faults: [], measured: await measure(machine, job.scenario) };
    const outcome = await perform(machine, job.run);
    if (outcome.faults.length === 0) return outcome;
    return { ...outcome, log: await giveUp() };
  } catch (error) {
    const fault = error instanceof Error ? `${messageChain(error)}\n${error.stack}` : String(error);
    return { points: 1, faults: [fault], log: await giveUp() };
  }
}

async function newMachine(): Promise<Machine> {
  made += 1;
  const fresh = await Machine.make(join(dir, String(made)), template);
  if (!(await fresh.start())) throw new Error(`the daemon does not start: ${fresh.log()}`);
  return fresh;
}

/** Nothing more is to be learned from this machine; answers its daemon's last words. */
async function giveUp(): Promise<string> {
  const log = machine?.log().slice(-LOG_BYTES) ?? '';
  const broken = machine;
  machine = undefined;
  await broken
    ?.dispose()
    .catch((error: unknown) => process.stderr.write(`clean up: ${messageChain(error)}\n`));
  return log;
}

async function makeTemplate(file: string): Promise<Result> {
  const plain = await Machine.make(join(dir, 'template'));
  await plain.start();
  await new Person(plain).load(IMAGE, archiveOf(plain.dir, IMAGE));
  await plain.end('SIGTERM');
  await plain.disk.unmount();
  renameSync(join(plain.dir, 'disk.img'), file);
  await plain.killPlugin();
  rmSync(plain.dir, { recursive: true });
  return { points: 0, faults: [] };
}

mkdirSync(dir, { recursive: true });
let atWork: Promise<void> = Promise.resolve();
process.on('message', (job: Job) => {
  atWork = answer(job).then((result) => {
    if (process.connected) process.send?.(result);
  });
});
process.on('disconnect', () => {
  // Also when the parent was killed in the middle of a job: what that has made is known only at its end.
  void atWork
    .catch(() => {})
    .then(giveUp)
    .then(() => process.exit(0));
});
// The parent decides when to end; it ends us by closing the channel.
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => {});
