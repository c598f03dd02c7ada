/** `GET /containers/{id}/logs`. */
import { pipeline } from 'node:stream/promises';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { utcText } from '@gantry/plugin-sdk/logs/cri.ts';
import type { Engine } from '../../engine.ts';
import type { Call, Query, Row } from '../route.ts';
import { streamType } from '../stream-type.ts';

export function logRows(engine: Engine): readonly Row[] {
  return [
    {
      name: 'container.logs',
      method: 'GET',
      path: '/containers/:id/logs',
      kind: 'stream',
      handler: (call) => logs(engine, call),
    },
  ];
}

/** Status and headers go out at once: a follower may wait for long until there is a first byte. */
async function logs(engine: Engine, { params, query, version, res, signal }: Call): Promise<undefined> {
  const [stdout, stderr] = [query.flag('stdout'), query.flag('stderr')];
  if (!stdout && !stderr) {
    throw new HostError(
      'InvalidArgument',
      'NO_STREAM',
      'Bad parameters: you must choose at least one stream',
    );
  }
  const request = {
    stdout,
    stderr,
    follow: query.flag('follow'),
    timestamps: query.flag('timestamps'),
    details: query.flag('details'),
    tail: tailOf(query.text('tail')),
    since: timeOf(query, 'since'),
    until: timeOf(query, 'until'),
  };
  const { id, process } = engine.containers.find(params.id ?? '');
  const output = engine.containers.logs(id, request, signal);
  res.writeHead(200, { 'Content-Type': streamType(process.terminal, version) });
  res.flushHeaders();
  await pipeline(output, res).catch((error: unknown) => {
    if (!signal.aborted) engine.log.warn({ container: id, error }, 'logs cut off');
    res.destroy();
  });
  return undefined;
}

/** As Docker: what is no number means all. */
function tailOf(text: string): number {
  return /^[+-]?\d+$/.test(text) ? Number(text) : -1;
}

/** Seconds since 1970, with a fraction or without. */
function timeOf(query: Query, name: 'since' | 'until'): string | undefined {
  const text = query.text(name);
  if (text === '' || /^0+(\.0*)?$/.test(text)) return undefined;
  const [, seconds, fraction = ''] = /^(-?\d{1,15})(?:\.(\d*))?$/.exec(text) ?? [];
  try {
    if (seconds !== undefined) return utcText(Number(seconds), fraction);
  } catch {
    // A year that has more than four digits.
  }
  throw new HostError(
    'InvalidArgument',
    'INVALID_TIME',
    `invalid value for "${name}": "${text}" is not a number of seconds since 1970`,
  );
}
