/** `docker logs`: which file is read, from where to where, and in what shape. */
import path from 'node:path';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import type { ContainerContext } from '../container/context.ts';
import { LogEncoder, type LogShape } from './encoder.ts';
import { LogGrowth } from './growth.ts';
import { isLogKept } from './log-config.ts';
import { logDetails } from './log-details.ts';
import { readLog } from './read-log.ts';

export interface LogsRequest extends Omit<LogShape, 'terminal' | 'details'> {
  /** Number of lines from the end of both streams together; all when it is negative. */
  readonly tail: number;
  readonly follow: boolean;
  readonly details: boolean;
}

/** Path of the log that the runtime writes, below the directory of all containers. */
export function logFileOf(rootDir: string, id: string): string {
  return path.join(rootDir, id, 'container.log');
}

/** Throws when there is no log to be read. */
export function requireReadableLog(record: ContainerRecord): void {
  const { state } = record;
  if (!isLogKept(record)) {
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
  requireReadableLog(record);
  const encoder = new LogEncoder({
    ...request,
    terminal: record.process.terminal,
    details: request.details ? logDetails(record) : undefined,
  });
  return encodedLog(ctx, record, request, encoder, signal);
}

async function* encodedLog(
  ctx: ContainerContext,
  { id }: ContainerRecord,
  { tail, follow, until }: LogsRequest,
  encoder: LogEncoder,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  using cleanup = new DisposableStack();
  const file = logFileOf(ctx.rootDir, id);
  // Looked up again, in one go with waiting for its end: it may have ended since the caller asked.
  const runs = ctx.store.records.get('container', id)?.state.status === 'running';
  const growth = follow && runs ? growthOf(ctx, id, file, endSignal(signal, until)) : undefined;
  cleanup.defer(() => growth?.stop());
  for await (const entries of readLog({ file, tail, growth })) {
    const bytes = encoder.encode(entries);
    if (bytes.length > 0) yield bytes;
    if (encoder.ended || signal.aborted) return;
  }
}

function growthOf(ctx: ContainerContext, id: string, file: string, signal: AbortSignal): LogGrowth {
  return new LogGrowth(file, ctx.waiters.wait(id, 'not-running', signal));
}

/** Nothing that comes after `until` is shown, so nothing need be waited for either. */
function endSignal(signal: AbortSignal, until: string | undefined): AbortSignal {
  if (until === undefined) return signal;
  const left = Math.max(0, Date.parse(until) - Date.now());
  return left > LONGEST_TIMER_MS ? signal : AbortSignal.any([signal, AbortSignal.timeout(left)]);
}

const LONGEST_TIMER_MS = 2 ** 31 - 1;
