/** `/containers/*`. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { WaitCondition } from '../../controllers/container/waiters.ts';
import type { Engine } from '../../engine.ts';
import { requireObject } from '../body.ts';
import { labelsOf } from '../container-filters.ts';
import { checkFilters, matchesPrune, parseFilters, parseTime } from '../filters.ts';
import type { Answer, Call, Row } from '../route.ts';
import { containerView } from '../views/container.ts';
import { containerListView, sizesOf } from '../views/container-list.ts';

const NO_CONTENT: Answer = { status: 204 };
const NOT_MODIFIED: Answer = { status: 304 };

export function containerRows(engine: Engine): readonly Row[] {
  const { containers } = engine;
  const row = (method: Row['method'], path: string, name: string, handler: Row['handler']): Row => ({
    name: `container.${name}`,
    method,
    path: `/containers${path}`,
    kind: 'json',
    handler,
  });
  return [
    row('GET', '/json', 'list', async ({ query, signal }) => {
      const options = {
        all: query.flag('all'),
        limit: query.whole('limit'),
        size: query.flag('size'),
        filters: parseFilters(query.text('filters')),
      };
      return { body: await containerListView(engine, options, signal) };
    }),
    row('POST', '/create', 'create', async ({ body, query, signal }) => {
      containers.anticipate();
      const options = { name: query.text('name'), platform: query.text('platform') };
      const { id, warnings } = await containers.create(requireObject(body), options, signal);
      return { status: 201, body: { Id: id, Warnings: warnings } };
    }),
    row('GET', '/:id/json', 'inspect', async ({ params, query, signal }) => {
      const container = containers.find(params.id ?? '');
      const sizes = query.flag('size') ? await sizesOf(engine, container, signal) : {};
      return { body: { ...containerView(engine, container), ...sizes } };
    }),
    row('POST', '/:id/start', 'start', async ({ params, body }) => {
      refuseStartBody(body);
      containers.anticipate();
      return (await containers.start(params.id ?? '', toItsEnd())) ? NO_CONTENT : NOT_MODIFIED;
    }),
    row('POST', '/:id/stop', 'stop', async (call) =>
      (await containers.stop(call.params.id ?? '', stopOptions(call), call.signal))
        ? NO_CONTENT
        : NOT_MODIFIED,
    ),
    row('POST', '/:id/restart', 'restart', async (call) => {
      await containers.restart(call.params.id ?? '', stopOptions(call), call.signal);
      return NO_CONTENT;
    }),
    row('POST', '/:id/kill', 'kill', async ({ params, query, signal }) => {
      await containers.kill(params.id ?? '', query.text('signal'), signal);
      return NO_CONTENT;
    }),
    row('POST', '/:id/pause', 'pause', async ({ params }) => {
      await containers.pause(params.id ?? '', toItsEnd());
      return NO_CONTENT;
    }),
    row('POST', '/:id/unpause', 'unpause', async ({ params }) => {
      await containers.unpause(params.id ?? '', toItsEnd());
      return NO_CONTENT;
    }),
    row('POST', '/:id/rename', 'rename', async ({ params, query, signal }) => {
      await containers.rename(params.id ?? '', query.text('name'), signal);
      return NO_CONTENT;
    }),
    row('POST', '/:id/update', 'update', async ({ params, body }) => {
      const warnings = await containers.update(params.id ?? '', requireObject(body), toItsEnd());
      return { body: { Warnings: warnings } };
    }),
    row('POST', '/prune', 'prune', (call) => prune(engine, call)),
    row('DELETE', '/:id', 'remove', async ({ params, query }) => {
      if (query.flag('link'))
        throw new HostError('NotImplemented', 'NOT_IMPLEMENTED', 'links are not there yet');
      const options = { force: query.flag('force'), volumes: query.flag('v') };
      await containers.remove(params.id ?? '', options, toItsEnd());
      return NO_CONTENT;
    }),
    row('POST', '/:id/resize', 'resize', async ({ params, query, signal }) => {
      await containers.resize(params.id ?? '', query.whole('h'), query.whole('w'), signal);
      return { status: 200 };
    }),
    { ...row('POST', '/:id/wait', 'wait', (call) => wait(engine, call)), kind: 'stream' },
  ];
}

/** Long ago a start could change what the container was made with; to pass over that would start something else. */
function refuseStartBody(body: unknown): void {
  if (body === undefined || body === null || Object.keys(body).length === 0) return;
  const message =
    'starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24';
  throw new HostError('InvalidArgument', 'START_WITH_BODY', message);
}

async function prune({ containers }: Engine, { query, signal }: Call): Promise<Answer> {
  const filters = parseFilters(query.text('filters'));
  checkFilters(filters, ['label', 'label!', 'until']);
  const until = Math.min(...(filters.get('until') ?? []).map(parseTime));
  const { removed, reclaimedBytes } = await containers.prune(
    (record) => matchesPrune(filters, labelsOf(record)) && Date.parse(record.createdAt) < until,
    signal,
  );
  return { body: { ContainersDeleted: removed, SpaceReclaimed: reclaimedBytes } };
}

const LONGEST_MS = 300_000;

/**
 * For what is finished also when the client leaves half way: a start or removal cut off would only be undone, and a
 * container frozen with nobody to write it down.
 */
function toItsEnd(): AbortSignal {
  return AbortSignal.timeout(LONGEST_MS);
}

function stopOptions({ query }: Call): { seconds: number | undefined; signal: string } {
  const text = query.text('t');
  if (text !== '' && !/^-?\d+$/.test(text)) {
    throw new HostError(
      'InvalidArgument',
      'INVALID_TIMEOUT',
      `invalid value for t: "${text}" is not a number of seconds`,
    );
  }
  return { seconds: text === '' ? undefined : Number(text), signal: query.text('signal') };
}

const CONDITIONS: readonly string[] = ['not-running', 'next-exit', 'removed'];

/** Status and headers go out at once: `docker run` waits for them before it starts the container. */
async function wait(engine: Engine, { params, query, res, signal }: Call): Promise<undefined> {
  const condition = query.text('condition') || 'not-running';
  if (!CONDITIONS.includes(condition)) {
    throw new HostError('InvalidArgument', 'INVALID_CONDITION', `invalid condition: "${condition}"`);
  }
  const result = engine.containers.wait(params.id ?? '', condition as WaitCondition, signal);
  res.writeHead(200, { 'Content-Type': 'application/json' });
  res.flushHeaders();
  try {
    const { exitCode } = await result;
    res.end(`${JSON.stringify({ StatusCode: exitCode })}\n`);
  } catch {
    res.destroy();
  }
  return undefined;
}
