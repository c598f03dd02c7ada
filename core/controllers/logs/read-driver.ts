/** `docker logs` from a driver that gives entries back. */

import { once } from 'node:events';
import { createConnection } from 'node:net';
import { type LogEntry, logPoint } from '@gantry/plugin-sdk/contracts/log.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { CriEntry } from '@gantry/plugin-sdk/logs/cri.ts';
import { EntryDecoder } from '@gantry/plugin-sdk/logs/entry-frames.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import type { ContainerContext } from '../container/context.ts';
import type { LogsRequest } from './container-logs.ts';
import { logConfigOf } from './log-config.ts';
import { logInfoOf } from './log-info.ts';

/** How long a driver may take to say that it will. */
const ANSWER_MS = 5_000;

/** Rejects when the driver does not answer; what fails later fails the reading. */
export async function readFromDriver(
  ctx: ContainerContext,
  record: ContainerRecord,
  { tail, follow, since, until }: LogsRequest,
  signal: AbortSignal,
): Promise<AsyncGenerator<readonly CriEntry[]>> {
  const call = { signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]) };
  const driver = await ctx.drivers.driver(logPoint, logConfigOf(record).Type, call);
  if (!driver.read)
    throw new HostError('NotImplemented', 'LOG_NOT_KEPT', 'the log driver gives nothing back');
  const runs = record.state.status === 'running';
  const info = logInfoOf(record, '');
  const { source } = await driver.read({ info, tail, follow: follow && runs, since, until }, call);
  const socket = createConnection({ path: source });
  await once(socket, 'connect', call);
  return entriesFrom(socket);
}

async function* entriesFrom(socket: AsyncIterable<Buffer>): AsyncGenerator<readonly CriEntry[]> {
  const decoder = new EntryDecoder();
  for await (const chunk of socket) yield decoder.push(chunk).map(asCri);
}

const NEWLINE = Buffer.from('\n');

function asCri({ source, time, line, partial }: LogEntry): CriEntry {
  const goesOn = partial !== undefined && !partial.last;
  const bytes = goesOn ? Buffer.from(line) : Buffer.concat([line, NEWLINE]);
  const stamp = Buffer.from(time, 'latin1');
  return {
    stream: source === 'stdout' ? 1 : 2,
    partial: goesOn,
    bytes,
    text: 0,
    end: bytes.length,
    start: 0,
    stamp,
    stampFrom: 0,
    stampEnd: stamp.length,
  };
}
