/** Images in and out: `load`, `import`, `pull`, `push`, `save`. */
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { parsePlatform } from '../../../registry/client/platform.ts';
import { savedImages } from '../../controllers/image/save.ts';
import { normalizeName } from '../../controllers/image-name.ts';
import type { Engine } from '../../engine.ts';
import { saveArchive } from '../../images/archive-save.ts';
import { ProgressLines } from '../progress-lines.ts';
import { registryAuth } from '../registry-auth.ts';
import type { Call, Row } from '../route.ts';

export function imageTransferRows(engine: Engine): readonly Row[] {
  const rows: readonly Pick<Row, 'name' | 'method' | 'path' | 'handler'>[] = [
    { name: 'image.load', method: 'POST', path: '/images/load', handler: (call) => load(engine, call) },
    { name: 'image.create', method: 'POST', path: '/images/create', handler: (call) => create(engine, call) },
    { name: 'image.push', method: 'POST', path: '/images/*name/push', handler: (call) => push(engine, call) },
    {
      name: 'image.save',
      method: 'GET',
      path: '/images/get',
      handler: (call) => save(engine, call, call.query.all('names')),
    },
    {
      name: 'image.save',
      method: 'GET',
      path: '/images/*name/get',
      handler: (call) => save(engine, call, [call.params.name ?? '']),
    },
  ];
  return rows.map((row) => ({ ...row, kind: 'tar' }));
}

async function load(engine: Engine, call: Call): Promise<undefined> {
  const { res, query, signal } = call;
  const lines = new ProgressLines(res);
  const platform = query.text('platform');
  const isQuiet = query.flag('quiet');
  return lines.run(() =>
    engine.images.load(
      bodyOf(call),
      {
        platform: platform === '' ? undefined : platformOf(platform),
        onText: (text) => lines.write({ stream: text }),
        report: (progress) => isQuiet || lines.layer(progress, { extracting: 'Loading layer' }),
      },
      signal,
    ),
  );
}

async function create(engine: Engine, call: Call): Promise<undefined> {
  return call.query.has('fromImage') ? pull(engine, call) : importImage(engine, call);
}

/** `tag` may be a digest; without it all tags of a name that has none are meant. */
async function pull(engine: Engine, { req, res, query, signal }: Call): Promise<undefined> {
  const [image, tag] = [query.text('fromImage'), query.text('tag')];
  const reference = tag === '' ? image : `${image}${tag.includes(':') ? '@' : ':'}${tag}`;
  const request = { reference, platform: query.text('platform'), credentials: registryAuth(req) };
  const lines = new ProgressLines(res);
  return lines.run(() => engine.pulls.pull(request, (progress) => lines.pull(progress), signal));
}

async function push(engine: Engine, { params, req, res, query, signal }: Call): Promise<undefined> {
  const [image, tag] = [params.name ?? '', query.text('tag')];
  const request = { reference: tag === '' ? image : `${image}:${tag}`, credentials: registryAuth(req) };
  const lines = new ProgressLines(res);
  return lines.run(() => engine.pushes.push(request, (progress) => lines.push(progress), signal));
}

async function importImage(engine: Engine, call: Call): Promise<undefined> {
  const { res, query, signal } = call;
  if (query.text('fromSrc') !== '-') {
    throw new HostError('NotImplemented', 'NOT_IMPLEMENTED', 'import from a URL is not there yet', {
      hint: 'send the archive itself: docker import FILE',
    });
  }
  const repo = query.text('repo');
  const name = repo === '' ? '' : normalizeName(query.text('tag') ? `${repo}:${query.text('tag')}` : repo);
  const options = { changes: query.all('changes'), message: query.text('message'), name };
  const lines = new ProgressLines(res);
  return lines.run(async () => {
    lines.write({ status: await engine.images.import(bodyOf(call), options, signal) });
  });
}

/** What is missing is a status; what breaks later cuts the answer off, so that nobody takes a half archive for a whole. */
async function save(
  { images, content }: Engine,
  { res, signal }: Call,
  names: readonly string[],
): Promise<undefined> {
  if (names.length === 0) {
    throw new HostError('InvalidArgument', 'INVALID_IMAGE_NAME', 'save images: no name was given');
  }
  const saved = savedImages(images, names);
  const ids = saved.map(({ image }) => image.id);
  await images.whileThere(ids, async () => {
    for (const digest of saved.flatMap(({ image }) => [image.id, image.manifest, ...image.blobs]))
      await content.size(digest);
    res.setHeader('Content-Type', 'application/x-tar');
    await pipeline(saveArchive(saved, content), res, { signal });
  });
  for (const { image, tags } of saved) images.saved(image, tags);
  return undefined;
}

/** With `platform` as the load's query has it: a word, or JSON as newer clients send. */
function platformOf(text: string) {
  if (!text.startsWith('{')) return parsePlatform(text);
  const { os = '', architecture = '', variant } = JSON.parse(text) as Record<string, string | undefined>;
  return parsePlatform([os, architecture, ...(variant ? [variant] : [])].join('/'));
}

/** A client that leaves ends it with an error, and who stops reading early can still answer. */
function bodyOf({ req, signal }: Call): Readable {
  const body = req.pipe(new PassThrough({ highWaterMark: BODY_BYTES }));
  const leave = () => body.destroy(new HostError('Canceled', 'CANCELED', 'the client left'));
  if (signal.aborted) leave();
  else signal.addEventListener('abort', leave, { once: true });
  return body;
}

const BODY_BYTES = 1 << 20;
