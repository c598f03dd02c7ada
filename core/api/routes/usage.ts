/** What containers are made of and use: `/containers/ID/top` and `/containers/ID/stats`. */
import { pipeline } from 'node:stream/promises';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { Engine } from '../../engine.ts';
import type { Answer, Call, Row } from '../route.ts';
import { statsView } from '../views/stats.ts';

export function usageRows(engine: Engine): readonly Row[] {
  return [
    {
      name: 'container.top',
      method: 'GET',
      path: '/containers/:id/top',
      kind: 'json',
      handler: async ({ params, query, signal }) => {
        const { titles, rows } = await engine.containers.top(params.id ?? '', query.text('ps_args'), signal);
        return { body: { Processes: rows, Titles: titles } };
      },
    },
    {
      name: 'container.stats',
      method: 'GET',
      path: '/containers/:id/stats',
      kind: 'stream',
      handler: (call) => stats(engine, call),
    },
  ];
}

async function stats(engine: Engine, call: Call): Promise<Answer | undefined> {
  const { query, params, signal } = call;
  const streams = !query.has('stream') || query.flag('stream');
  const oneShot = query.flag('one-shot');
  if (streams && oneShot) {
    throw new HostError(
      'InvalidArgument',
      'STREAM_AND_ONE_SHOT',
      'cannot have stream=true and one-shot=true',
    );
  }
  const { id, name, state } = engine.containers.find(params.id ?? '');
  if (streams) return stream(engine, id, call);
  if (oneShot || state.status !== 'running') {
    return { body: statsView({ id, name }, await engine.stats.once(id)) };
  }
  for await (const reading of engine.stats.follow(id, signal)) {
    // The first of two, so that the second tells what was used in between.
    if (reading.before || !reading.current) return { body: statsView({ id, name }, reading) };
  }
  return { body: statsView({ id, name }, { current: undefined, before: undefined }) };
}

async function stream(engine: Engine, id: string, { res, signal }: Call): Promise<undefined> {
  res.writeHead(200, { 'Content-Type': 'application/json' });
  res.flushHeaders();
  const lines = async function* () {
    for await (const reading of engine.stats.follow(id, signal)) {
      const { name } = engine.store.records.get('container', id) ?? { name: '' };
      yield `${JSON.stringify(statsView({ id, name }, reading))}\n`;
    }
  };
  await pipeline(lines(), res).catch((error: unknown) => {
    if (!signal.aborted) engine.log.warn({ container: id, error }, 'stats cut off');
    res.destroy();
  });
  return undefined;
}
