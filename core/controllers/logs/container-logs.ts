/** `docker logs`: which files are read, from where to where, and in what shape. */
import path from 'node:path';
import { HostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { CriEntry } from '@gantry/plugin-sdk/logs/cri.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import type { ContainerContext } from '../container/context.ts';
import { LogEncoder, type LogShape } from './encoder.ts';
import { LogGrowth } from './growth.ts';
import { isCached, logConfigOf } from './log-config.ts';
import { logDetails } from './log-info.ts';
import { readFromDriver } from './read-driver.ts';
import { readLog } from './read-log.ts';

export interface LogsRequest extends Omit<LogShape, 'terminal' | 'details'> {
  /** Number of lines from the end of both streams together; all when it is negative. */
  readonly tail: number;
  readonly follow: boolean;
  readonly details: boolean;
}

/** Throws when there is no log to be read. */
export function requireReadableLog(ctx: ContainerContext, record: ContainerRecord): void {
  const { state } = record;
  if (!ctx.logs.isReadable(record)) {
    throw new HostError(
      'NotImplemented',
      'LOG_NOT_KEPT',
      'configured logging driver does not support reading',
    );
  }
  if (state.status !== 'dead' && state.status !== 'removing') return;
  throw new HostError(
    'Conflict',
    'CONTAINER_DEAD',
    'can not get logs from container which is dead or marked for removal',
  );
}

/** Throws at once what stands in the way; ends when the container that runs now has ended, or when `signal` aborts. */
export function containerLogs(
  ctx: ContainerContext,
  record: ContainerRecord,
  request: LogsRequest,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  requireReadableLog(ctx, record);
  const encoder = new LogEncoder({
    ...request,
    terminal: record.process.terminal,
    details: request.details ? logDetails(record) : undefined,
  });
  return encodedLog(ctx, record, request, encoder, signal);
}

async function* encodedLog(
  ctx: ContainerContext,
  record: ContainerRecord,
  request: LogsRequest,
  encoder: LogEncoder,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  for await (const entries of entriesOf(ctx, record, request, signal)) {
    const bytes = encoder.encode(entries);
    if (bytes.length > 0) yield bytes;
    if (encoder.ended || signal.aborted) return;
  }
}

/** From the driver when it gives logs back; a copy that is kept here stands in for a driver that does not answer. */
async function* entriesOf(
  ctx: ContainerContext,
  record: ContainerRecord,
  request: LogsRequest,
  signal: AbortSignal,
): AsyncGenerator<readonly CriEntry[]> {
  if (ctx.logs.readsItself(record)) {
    try {
      yield* await readFromDriver(ctx, record, request, signal);
      return;
    } catch (error) {
      if (signal.aborted || !isCached(logConfigOf(record))) throw error;
      ctx.log.warn({ container: record.id, error: messageChain(error) }, 'log driver gives nothing back');
    }
  }
  yield* kept(ctx, record, request, signal);
}

async function* kept(
  ctx: ContainerContext,
  record: ContainerRecord,
  { tail, follow, until }: LogsRequest,
  signal: AbortSignal,
): AsyncGenerator<readonly CriEntry[]> {
  using cleanup = new DisposableStack();
  const { id } = record;
  const list = () => ctx.logs.files(record);
  const file = (await list()).at(-1)?.path ?? '';
  // Looked up again, in one go with waiting for its end: it may have ended since the caller asked.
  const runs = ctx.store.records.get('container', id)?.state.status === 'running';
  let growth: LogGrowth | undefined;
  if (follow && runs) {
    const dirs = [...new Set([path.join(ctx.rootDir, id), path.dirname(file)])];
    const ended = ctx.waiters.wait(id, 'not-running', endSignal(signal, until));
    growth = new LogGrowth({ dirs, file, ended, catchUp: () => ctx.logs.catchUp(id) });
    cleanup.defer(ctx.logs.follow(id));
    cleanup.defer(() => growth?.stop());
  }
  await ctx.logs.catchUp(id);
  yield* readLog({ list, tail, growth });
}

/** Nothing that comes after `until` is shown, so nothing need be waited for either. */
function endSignal(signal: AbortSignal, until: string | undefined): AbortSignal {
  if (until === undefined) return signal;
  const left = Math.max(0, Date.parse(until) - Date.now());
  return left > LONGEST_TIMER_MS ? signal : AbortSignal.any([signal, AbortSignal.timeout(left)]);
}

const LONGEST_TIMER_MS = 2 ** 31 - 1;
