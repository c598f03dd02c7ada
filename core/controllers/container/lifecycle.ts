/** `stop`, `kill`, `restart` and `rm`: what ends a container from outside. */
import { constants } from 'node:os';
import { runtimePoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { HostError, isKind } from '@gantry/plugin-sdk/errors.ts';
import { containerEvent } from '../../events/emit.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import type { ContainerContext } from './context.ts';
import { removeRecord } from './exit.ts';
import { findContainer } from './find.ts';
import { thaw } from './pause.ts';
import { endRestarting } from './restart.ts';
import { restartPolicyOf } from './restart-policy.ts';
import { startContainer } from './start.ts';
import type { WaitResult } from './waiters.ts';

const DEFAULT_STOP_SECONDS = 10;
const KILL_WAIT_MS = 30_000;
const SIGKILL = constants.signals.SIGKILL;

/** `SIGTERM`, `term`, `RTMIN+3` or `15`. Errors: InvalidArgument. */
export function signalNumber(text: string): number {
  const name = text.toUpperCase().replace(/^SIG/, '');
  const number = /^\d+$/.test(text)
    ? Number(text)
    : (realtimeSignal(name) ?? constants.signals[`SIG${name}` as NodeJS.Signals]);
  if (number > 0 && number <= 64) return number;
  throw new HostError('InvalidArgument', 'INVALID_SIGNAL', `Invalid signal: ${text}`);
}

/** An image may name one that there is not; Docker passes over it too. */
function stopSignal(wanted = ''): number {
  try {
    return signalNumber(wanted);
  } catch {
    return constants.signals.SIGTERM;
  }
}

/** As Docker counts them; systemd's images ask for RTMIN+3. */
function realtimeSignal(name: string): number | undefined {
  const [, from, offset = '0'] = /^(RTMIN|RTMAX)([+-]\d{1,2})?$/.exec(name) ?? [];
  if (!from) return undefined;
  const number = (from === 'RTMIN' ? RTMIN : RTMAX) + Number(offset);
  return number >= RTMIN && number <= RTMAX ? number : undefined;
}

const RTMIN = 34;
const RTMAX = 64;

interface StopOptions {
  /** The time to end by itself; negative means for ever. */
  readonly seconds: number | undefined;
  readonly signal?: string;
}

/** False when it was not running. */
export async function stopContainer(
  ctx: ContainerContext,
  reference: string,
  options: StopOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const record = findContainer(ctx.store, reference);
  if (!(await stopOnce(ctx, record.id, options, signal))) return false;
  while (cameBack(ctx, record)) await stopOnce(ctx, record.id, options, signal);
  containerEvent(ctx.events, record, 'stop');
  return true;
}

async function stopOnce(
  ctx: ContainerContext,
  id: string,
  { seconds, signal: asked = '' }: StopOptions,
  signal: AbortSignal,
): Promise<boolean> {
  if (await endRestarting(ctx, id, signal)) return true;
  const record = ctx.store.records.get('container', id);
  if (record?.state.status !== 'running') return false;
  const config = record.config as StopConfig;
  const patience = seconds ?? config.StopTimeout ?? DEFAULT_STOP_SECONDS;
  const ended = exitOf(ctx, record, signal);
  await sendSignal(ctx, record, asked ? signalNumber(asked) : stopSignal(config.StopSignal));
  if (patience < 0) await ended;
  else if (!(await within(ended, patience * 1000))) {
    await sendSignal(ctx, record, SIGKILL);
    await killed(record, ended);
  }
  return true;
}

/** Whether it had ended by itself when it was told to, and its policy has started it again or is about to. */
function cameBack(ctx: ContainerContext, { id, restarts = 0 }: ContainerRecord): boolean {
  const now = ctx.store.records.get('container', id);
  if (now?.state.status === 'restarting') return true;
  return now?.state.status === 'running' && (now.restarts ?? 0) > restarts;
}

export async function killContainer(
  ctx: ContainerContext,
  reference: string,
  signalText: string,
  signal: AbortSignal,
): Promise<void> {
  const number = signalNumber(signalText || 'SIGKILL');
  const { id } = findContainer(ctx.store, reference);
  if (await endRestarting(ctx, id, signal)) return;
  const record = findContainer(ctx.store, id);
  if (record.state.status !== 'running') {
    const message = `cannot kill container: ${reference}: container ${id} is not running`;
    throw new HostError('Conflict', 'NOT_RUNNING', message);
  }
  const ended = exitOf(ctx, record, signal);
  await sendSignal(ctx, record, number);
  // Docker answers a SIGKILL only when the container is gone.
  if (number !== SIGKILL) ended.catch(() => {});
  else {
    await killed(record, ended);
    if (cameBack(ctx, record)) await endIfRunning(ctx, id, signal);
  }
}

export async function restartContainer(
  ctx: ContainerContext,
  reference: string,
  options: { seconds: number | undefined; signal?: string },
  signal: AbortSignal,
): Promise<void> {
  await stopContainer(ctx, reference, options, signal);
  await startContainer(ctx, reference, signal);
  containerEvent(ctx.events, findContainer(ctx.store, reference), 'restart');
}

export async function removeContainer(
  ctx: ContainerContext,
  reference: string,
  { force, volumes }: { force: boolean; volumes: boolean },
  signal: AbortSignal,
): Promise<void> {
  const { id, name } = findContainer(ctx.store, reference);
  if (force) await endIfRunning(ctx, id, signal);
  await ctx.locks.hold([`container/${id}`], signal, async () => {
    const record = ctx.store.records.get('container', id);
    if (!record) {
      if (force) return;
      throw new HostError('NotFound', 'CONTAINER_NOT_FOUND', `No such container: ${reference}`);
    }
    const { status, paused } = record.state;
    if (status === 'running' || status === 'restarting') {
      const why = paused
        ? 'container is paused and must be unpaused first'
        : `container is ${status}: stop the container before removing or force remove`;
      throw new HostError('Conflict', 'CONTAINER_RUNNING', `cannot remove container "/${name}": ${why}`);
    }
    await removeRecord(ctx, record, signal, volumes || record.autoRemove);
    ctx.waiters.removed(id, { exitCode: record.state.exitCode });
  });
}

/** Until it stays ended: its policy may have been about to start it again. */
async function endIfRunning(ctx: ContainerContext, id: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    if (await endRestarting(ctx, id, signal)) return;
    const record = ctx.store.records.get('container', id);
    if (record?.state.status === 'restarting') continue;
    if (record?.state.status !== 'running') return;
    const ended = exitOf(ctx, record, signal);
    await sendSignal(ctx, record, SIGKILL);
    await killed(record, ended);
  }
}

/** The next end of a running container; resolved also when it has ended meanwhile. */
async function exitOf(
  ctx: ContainerContext,
  { id }: ContainerRecord,
  signal: AbortSignal,
): Promise<WaitResult> {
  const now = ctx.store.records.get('container', id);
  if (now?.state.status !== 'running') return { exitCode: now?.state.exitCode ?? 0 };
  return ctx.waiters.wait(id, 'not-running', signal);
}

interface StopConfig {
  readonly StopSignal?: string;
  readonly StopTimeout?: number | null;
}

/**
 * As in Docker a signal that may well end it makes its next end a wanted one; others only when it has a stop signal of
 * its own, which this is not. Durable before the signal is sent, where a policy could start it again.
 */
async function noteStop(
  ctx: ContainerContext,
  { id, config }: ContainerRecord,
  number: number,
): Promise<void> {
  const { StopSignal } = config as StopConfig;
  const final = number === SIGKILL || !StopSignal || signalNumber(StopSignal) === number;
  ctx.restarts.noteStop(id, final);
  const isToBeNoted = (record: ContainerRecord | undefined): record is ContainerRecord =>
    record?.state.status === 'running' && restartPolicyOf(record).name !== 'no';
  if (!isToBeNoted(ctx.store.records.get('container', id))) return;
  await ctx.locks.hold([`container/${id}`], AbortSignal.timeout(KILL_WAIT_MS), async () => {
    const record = ctx.store.records.get('container', id);
    if (!isToBeNoted(record)) return;
    const noted = { ...record, manuallyStopped: true, endsNext: final || record.endsNext === true };
    await ctx.store.put('container.note-stop', { put: [{ kind: 'container', id, record: noted }] });
  });
}

async function sendSignal(ctx: ContainerContext, record: ContainerRecord, number: number): Promise<void> {
  const { id, runtime } = record;
  await noteStop(ctx, record, number);
  const driver = await ctx.drivers.driver(runtimePoint, runtime);
  try {
    await driver.signal({ id, signal: number }, { signal: AbortSignal.timeout(KILL_WAIT_MS) });
  } catch (error) {
    // It ended by itself between the look and the signal.
    if (!isKind(error, 'NotFound', 'FailedPrecondition')) throw error;
  }
  containerEvent(ctx.events, record, 'kill', { signal: String(number) });
  await thaw(ctx, id, AbortSignal.timeout(KILL_WAIT_MS));
}

async function killed(record: ContainerRecord, ended: Promise<WaitResult>): Promise<void> {
  if (await within(ended, KILL_WAIT_MS)) return;
  throw new HostError(
    'DeadlineExceeded',
    'KILL_TIMEOUT',
    `kill container ${record.id.slice(0, 12)}: still running ${KILL_WAIT_MS / 1000} s after SIGKILL`,
    { hint: 'its process is likely in uninterruptible sleep; see /proc/PID/stack' },
  );
}

async function within(work: Promise<unknown>, ms: number): Promise<boolean> {
  const timer = Promise.withResolvers<false>();
  const timeout = setTimeout(() => timer.resolve(false), ms);
  try {
    return await Promise.race([work.then(() => true), timer.promise]);
  } finally {
    clearTimeout(timeout);
  }
}
