/** `GET /events`. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { Engine } from '../../engine.ts';
import type { EventMessage } from '../../events/event.ts';
import { eventFilter } from '../../events/event-filter.ts';
import { EventStream } from '../event-stream.ts';
import { parseFilters } from '../filters.ts';
import type { Call, Query, Row } from '../route.ts';
import { compareApi } from '../version.ts';

/** What can be counted in one timer. */
const LONGEST_MS = 2 ** 31 - 1;

export function eventRows(engine: Engine): readonly Row[] {
  return [
    {
      name: 'system.events',
      method: 'GET',
      path: '/events',
      kind: 'stream',
      handler: (call) => events(engine, call),
    },
  ];
}

/** Status and headers go out at once: clients wait for them before they do what they want to hear of. */
async function events(engine: Engine, { query, version, req, res, signal }: Call): Promise<undefined> {
  const since = timeOf(query, 'since');
  const until = timeOf(query, 'until');
  if (since !== undefined && until !== undefined && until < since) {
    const message = `\`since\` time (${query.text('since')}) cannot be after \`until\` time (${query.text('until')})`;
    throw new HostError('InvalidArgument', 'INVALID_TIME', message);
  }
  const wanted = eventFilter(parseFilters(query.text('filters')));
  const form = formOf(version, req.headers.accept ?? '');
  res.writeHead(200, { 'Content-Type': form.contentType });
  res.flushHeaders();

  const isAsked = ({ at }: EventMessage) => at >= (since ?? 0n) && (until === undefined || at <= until);
  const past = since === undefined && until === undefined ? [] : engine.events.past().filter(isAsked);
  const stream = new EventStream(res, form.encode, past.filter(wanted));
  const leftMs = until === undefined ? undefined : Number(until / 1_000_000n) - Date.now();
  if (leftMs === undefined || leftMs > 0) {
    const stop = engine.events.listen((event) => wanted(event) && stream.send(event));
    await over(signal, leftMs);
    stop();
  }
  await stream.end();
  return undefined;
}

/** Resolves when the client has left, or after `ms`. */
function over(signal: AbortSignal, ms: number | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = ms === undefined ? undefined : setTimeout(resolve, Math.min(ms, LONGEST_MS));
  if (signal.aborted) resolve();
  signal.addEventListener('abort', () => resolve(), { once: true });
  return promise.finally(() => clearTimeout(timer));
}

interface Form {
  readonly contentType: string;
  readonly encode: (event: EventMessage) => string;
}

/** Clients from 1.52 on may choose how the lines are told apart. */
function formOf(version: string, accept: string): Form {
  const line = (event: EventMessage) => `${event.text}\n`;
  if (compareApi(version, '1.52') < 0) {
    return { contentType: 'application/json', encode: (event) => `${legacyText(event)}\n` };
  }
  const asked = accept.split(',').map((part) => part.split(';', 1)[0]?.trim());
  if (asked.includes('application/json-seq')) {
    return { contentType: 'application/json-seq', encode: (event) => `\x1e${line(event)}` };
  }
  const isNdjson = asked.includes('application/x-ndjson') && !asked.includes('application/jsonl');
  return { contentType: isNdjson ? 'application/x-ndjson' : 'application/jsonl', encode: line };
}

/** Up to 1.51 events of containers and images say the same once more as in Docker's first years. */
function legacyText(event: EventMessage): string {
  const { type, action, id, attributes } = event;
  if (type !== 'container' && type !== 'image') return event.text;
  const from = type === 'container' ? { from: attributes.image ?? '' } : {};
  return `${JSON.stringify({ status: action, id, ...from }).slice(0, -1)},${event.text.slice(1)}`;
}

/** Nanoseconds since 1970, of seconds with a fraction or without. Errors: InvalidArgument. */
function timeOf(query: Query, name: 'since' | 'until'): bigint | undefined {
  const text = query.text(name);
  if (text === '') return undefined;
  const [, seconds, fraction = ''] = /^(-?\d{1,12})(?:\.(\d{1,9}))?$/.exec(text) ?? [];
  if (seconds !== undefined) return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
  throw new HostError(
    'InvalidArgument',
    'INVALID_TIME',
    `invalid value for "${name}": "${text}" is not a number of seconds since 1970`,
  );
}
