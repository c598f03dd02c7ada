/** `GET /gantry/driver-logs/NAME`: the last lines of a driver, a JSON object on each line; with `follow` without end. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { DriverHost } from '../../host/driver-host.ts';
import type { Call, Query } from '../route.ts';
import { driverLineView } from '../views/driver.ts';
import { unknownDriver } from './unknown-driver.ts';

/** A reader that is slow holds a few lines, not the log: see `DriverLog.read`. */
export async function driverLogs(host: DriverHost, { params, query, res, signal }: Call): Promise<undefined> {
  const wanted = params.name ?? '';
  const [found, ...others] = host.logsOf(wanted);
  if (found === undefined) throw unknownDriver(host.list(), wanted);
  if (others.length > 0)
    throw ambiguous(
      wanted,
      [found, ...others].map(({ id }) => id),
    );
  const lines = found.log.read({ ...rangeOf(query), follow: query.flag('follow') }, signal);
  res.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
  res.flushHeaders();
  await pipeline(Readable.from(asText(lines)), res).catch(() => res.destroy());
  return undefined;
}

async function* asText(lines: AsyncIterable<Parameters<typeof driverLineView>[0]>): AsyncGenerator<string> {
  for await (const line of lines) yield `${JSON.stringify(driverLineView(line))}\n`;
}

function rangeOf(query: Query): { tail?: number; since?: number } {
  const [tail, since] = [query.text('tail'), query.text('since')];
  const seconds = Number(since);
  if (Number.isNaN(seconds)) {
    const message = `invalid value for "since": "${since}" is not a number of seconds since 1970`;
    throw new HostError('InvalidArgument', 'INVALID_TIME', message);
  }
  return {
    ...(tail !== '' && tail !== 'all' && { tail: Math.max(0, query.whole('tail')) }),
    ...(since !== '' && { since: seconds * 1000 }),
  };
}

function ambiguous(wanted: string, ids: readonly string[]): HostError {
  const message = `"${wanted}" is the name of several drivers: ${ids.join(', ')}`;
  return new HostError('InvalidArgument', 'DRIVER_AMBIGUOUS', message, { hint: 'say POINT/NAME' });
}
