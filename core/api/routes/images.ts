/** `/images/*`: archives in, and what is there. */
import { PassThrough } from 'node:stream';
import { HostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import { familiarName, normalizeName } from '../../controllers/image-name.ts';
import type { Engine } from '../../engine.ts';
import type { ImageRecord } from '../../store/record-types.ts';
import {
  checkFilters,
  type Filters,
  matchesAny,
  matchesLabels,
  parseFilters,
  parseTime,
} from '../filters.ts';
import type { Answer, Call, Row } from '../route.ts';
import { imageSummary, imageView } from '../views/image.ts';

export function imageRows(engine: Engine): readonly Row[] {
  const { images } = engine;
  return [
    {
      name: 'image.list',
      method: 'GET',
      path: '/images/json',
      kind: 'json',
      handler: async (call) => list(engine, call),
    },
    {
      name: 'image.load',
      method: 'POST',
      path: '/images/load',
      kind: 'tar',
      handler: (call) => load(engine, call),
    },
    {
      name: 'image.create',
      method: 'POST',
      path: '/images/create',
      kind: 'tar',
      handler: (call) => create(engine, call),
    },
    {
      name: 'image.inspect',
      method: 'GET',
      path: '/images/*name/json',
      kind: 'json',
      handler: async ({ params }) => ({ body: imageView(images.require(params.name ?? '')) }),
    },
    {
      name: 'image.history',
      method: 'GET',
      path: '/images/*name/history',
      kind: 'json',
      handler: async ({ params }) => ({ body: historyView(engine, params.name ?? '') }),
    },
    {
      name: 'image.remove',
      method: 'DELETE',
      path: '/images/*name',
      kind: 'json',
      handler: async ({ params, query, signal }) => ({
        body: await images.remove(params.name ?? '', query.flag('force'), signal),
      }),
    },
  ];
}

const FILTERS = ['reference', 'label', 'dangling', 'before', 'since', 'until'];

function list(engine: Engine, { query }: Call): Answer {
  const filters = parseFilters(query.text('filters'));
  checkFilters(filters, FILTERS);
  const shown = engine.images
    .all()
    .filter(
      (image) =>
        matchesLabels(filters, image.config.Labels ?? {}) &&
        matchesTime(engine, image, filters) &&
        matchesAny(filters, 'dangling', (value) => (value === 'true') === (image.names.length === 0)) &&
        matchesAny(filters, 'reference', (pattern) =>
          image.names.some((name) => matchesReference(name, pattern)),
        ),
    );
  return { body: shown.map((image) => imageSummary(engine, image)) };
}

function matchesTime(engine: Engine, { createdAt }: ImageRecord, filters: Filters): boolean {
  const of = (key: string) => (filters.get(key) ?? []).map((name) => engine.images.require(name).createdAt);
  return (
    of('before').every((other) => createdAt < other) &&
    of('since').every((other) => createdAt > other) &&
    (filters.get('until') ?? []).every((time) => Date.parse(createdAt) < parseTime(time))
  );
}

function matchesReference(name: string, pattern: string): boolean {
  const familiar = familiarName(name);
  const glob = new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '[^/]*')
      .replaceAll('?', '.')}$`,
  );
  return glob.test(familiar) || glob.test(familiar.slice(0, familiar.lastIndexOf(':'))) || glob.test(name);
}

function historyView(engine: Engine, name: string): readonly object[] {
  const image = engine.images.require(name);
  return image.history.toReversed().map((step, index) => ({
    Id: index === 0 ? image.id : '<missing>',
    Created: Math.floor(Date.parse(String(step.created ?? image.createdAt)) / 1000) || 0,
    CreatedBy: step.created_by ?? '',
    Tags: index === 0 && image.names.length > 0 ? image.names.map(familiarName) : null,
    Size: 0,
    Comment: step.comment ?? '',
  }));
}

/** Progress as JSON lines. A fault before the first line is a status; later it is an `error` line. */
async function load(engine: Engine, { req, res, signal }: Call): Promise<undefined> {
  const lines = jsonLines(res);
  try {
    await engine.images.load(req.pipe(new PassThrough()), (text) => lines.write({ stream: text }), signal);
  } catch (error) {
    if (!res.headersSent) throw error;
    lines.write({ error: messageChain(error), errorDetail: { message: messageChain(error) } });
  }
  lines.end();
  return undefined;
}

async function create(engine: Engine, { req, res, query, signal }: Call): Promise<undefined> {
  if (query.has('fromImage')) {
    throw new HostError('NotImplemented', 'NOT_IMPLEMENTED', 'pull is not there yet', {
      hint: 'load an archive instead: docker load -i IMAGE.tar',
    });
  }
  if (query.text('fromSrc') !== '-') {
    throw new HostError('NotImplemented', 'NOT_IMPLEMENTED', 'import from a URL is not there yet', {
      hint: 'send the archive itself: docker import FILE',
    });
  }
  const repo = query.text('repo');
  const name = repo === '' ? '' : normalizeName(query.text('tag') ? `${repo}:${query.text('tag')}` : repo);
  const options = { changes: query.all('changes'), message: query.text('message'), name };
  const id = await engine.images.import(req.pipe(new PassThrough()), options, signal);
  const lines = jsonLines(res);
  lines.write({ status: id });
  lines.end();
  return undefined;
}

function jsonLines(res: import('node:http').ServerResponse) {
  return {
    write(line: object): void {
      if (!res.headersSent) res.setHeader('Content-Type', 'application/json');
      res.write(`${JSON.stringify(line)}\r\n`);
    },
    end(): void {
      res.end();
    },
  };
}
