/** `/containers/{id}/archive`, `/export` and `/changes`: a container's files. */
import type { ServerResponse } from 'node:http';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { normalizeName } from '../../controllers/image-name.ts';
import type { Engine } from '../../engine.ts';
import type { Answer, Call, Row } from '../route.ts';
import { pathStatHeader } from '../views/path-stat.ts';

export function archiveRows(engine: Engine): readonly Row[] {
  const row = (method: Row['method'], path: string, name: string, handler: Row['handler']): Row => ({
    name: `container.${name}`,
    method,
    path: `/containers/:id${path}`,
    kind: 'tar',
    handler,
  });
  return [
    row('HEAD', '/archive', 'archive-stat', (call) => stat(engine, call)),
    row('GET', '/archive', 'archive-read', (call) => read(engine, call)),
    row('PUT', '/archive', 'archive-write', (call) => write(engine, call)),
    row('GET', '/export', 'export', (call) => exportAll(engine, call)),
    row('GET', '/changes', 'changes', (call) => changes(engine, call)),
    {
      name: 'container.commit',
      method: 'POST',
      path: '/commit',
      kind: 'json',
      handler: (call) => commit(engine, call),
    },
  ];
}

async function stat({ files }: Engine, call: Call): Promise<Answer> {
  const found = await files.stat(call.params.id ?? '', pathOf(call), call.signal);
  return { headers: { 'X-Docker-Container-Path-Stat': pathStatHeader(found) } };
}

async function read({ files }: Engine, call: Call): Promise<undefined> {
  const { res, signal } = call;
  const to = {
    onStat: (found: Parameters<typeof pathStatHeader>[0]) => {
      res.setHeader('Content-Type', 'application/x-tar');
      res.setHeader('X-Docker-Container-Path-Stat', pathStatHeader(found));
    },
    output: (chunk: Buffer) => send(res, chunk),
  };
  await files.read(call.params.id ?? '', pathOf(call), to, signal);
  res.end();
  return undefined;
}

async function write({ files }: Engine, call: Call): Promise<Answer> {
  const { params, query, req, signal } = call;
  const options = { keepKinds: query.flag('noOverwriteDirNonDir'), asUser: query.flag('copyUIDGID') };
  // What is left of the archive after a fault is the server's to pass over, not to cut the connection for.
  const input = req.iterator({ destroyOnReturn: false });
  await files.write(params.id ?? '', pathOf(call), input, options, signal);
  return { status: 200 };
}

async function exportAll({ files }: Engine, { params, res, signal }: Call): Promise<undefined> {
  const output = (chunk: Buffer) => {
    if (!res.headersSent) res.setHeader('Content-Type', 'application/octet-stream');
    return send(res, chunk);
  };
  await files.exportAll(params.id ?? '', output, signal);
  res.end();
  return undefined;
}

async function commit({ files }: Engine, { query, body, signal }: Call): Promise<Answer> {
  const repo = query.text('repo');
  const tag = query.text('tag');
  const request = {
    name: repo === '' ? '' : normalizeName(tag === '' ? repo : `${repo}:${tag}`),
    author: query.text('author'),
    comment: query.text('comment'),
    changes: query.all('changes'),
    pause: !query.has('pause') || query.text('pause') === '' || query.flag('pause'),
    body,
  };
  return { status: 201, body: { Id: await files.commit(query.text('container'), request, signal) } };
}

const KINDS = { changed: 0, added: 1, deleted: 2 } as const;

async function changes({ files }: Engine, { params, signal }: Call): Promise<Answer> {
  const found = await files.changes(params.id ?? '', signal);
  const shown = found.map(({ path, kind }) => ({
    Path: Buffer.from(path, 'latin1').toString(),
    Kind: KINDS[kind],
  }));
  return { body: shown.length > 0 ? shown : null };
}

/** Resolves when the client has room for more, or has left. */
async function send(res: ServerResponse, chunk: Buffer): Promise<void> {
  if (res.write(chunk) || res.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  res.once('drain', resolve);
  res.once('close', resolve);
  await promise.finally(() => res.off('drain', resolve).off('close', resolve));
}

/** As a byte string: a path need not be UTF-8, and a decoder of text would lose it. */
function pathOf({ req, query }: Call): string {
  if (query.text('path') === '')
    throw new HostError('InvalidArgument', 'INVALID_PATH', 'bad parameter: path cannot be empty');
  const [, text = ''] = (req.url ?? '').split(/\?(.*)/s);
  const pairs = text.split('&').map((pair) => pair.split(/=(.*)/s));
  const [, value = ''] = pairs.findLast(([key]) => key === 'path') ?? [];
  return value
    .replaceAll('+', ' ')
    .replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
