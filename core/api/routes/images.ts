/** `/images/*`: what is there. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { Removed } from '../../controllers/image.ts';
import { familiarName } from '../../controllers/image-name.ts';
import type { Engine } from '../../engine.ts';
import type { ImageRecord } from '../../store/record-types.ts';
import {
  checkFilters,
  type Filters,
  flagFilter,
  matchesAny,
  matchesLabels,
  matchesPrune,
  parseFilters,
  parseTime,
} from '../filters.ts';
import { registryAuth } from '../registry-auth.ts';
import type { Answer, Call, Row } from '../route.ts';
import { imageSummary, imageView, sharedSizes } from '../views/image.ts';

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
      handler: async ({ params, query, signal }) => {
        const options = { force: query.flag('force'), prune: !query.flag('noprune') };
        const removed = await images.remove(params.name ?? '', options, signal);
        return { body: removed.map(removedView) };
      },
    },
    {
      name: 'image.tag',
      method: 'POST',
      path: '/images/*name/tag',
      kind: 'json',
      handler: async ({ params, query, signal }) => {
        const [repo, tag] = [query.text('repo'), query.text('tag')];
        await images.tag(params.name ?? '', tag === '' ? repo : `${repo}:${tag}`, signal);
        return { status: 201 };
      },
    },
    {
      name: 'image.prune',
      method: 'POST',
      path: '/images/prune',
      kind: 'json',
      handler: (call) => prune(engine, call),
    },
    {
      name: 'image.search',
      method: 'GET',
      path: '/images/search',
      kind: 'json',
      handler: (call) => search(engine, call),
    },
  ];
}

const FILTERS = ['reference', 'label', 'dangling', 'before', 'since', 'until'];

function list(engine: Engine, { query }: Call): Answer {
  const filters = parseFilters(query.text('filters'));
  checkFilters(filters, FILTERS);
  const dangling = flagFilter(filters, 'dangling');
  const every = engine.images.all();
  const parents = new Set(every.map(({ parent }) => parent));
  const shown = every
    .filter(
      (image) =>
        matchesLabels(filters, image.config.Labels ?? {}) &&
        matchesTime(engine, image, filters) &&
        (dangling === undefined || dangling === isDangling(image)) &&
        matchesAny(filters, 'reference', (pattern) =>
          [...image.names, ...(image.digests ?? [])].some((name) => matchesReference(name, pattern)),
        ) &&
        // What others were made of, and nobody has named, is shown with --all alone.
        (query.flag('all') || !isDangling(image) || !parents.has(image.id)),
    )
    .toSorted((a, b) => Date.parse(b.createdAt) - Date.parse(a.createdAt));
  const shared = query.flag('shared-size') ? sharedSizes(every) : undefined;
  return { body: shown.map((image) => imageSummary(engine, image, shared?.get(image.id))) };
}

function isDangling({ names }: ImageRecord): boolean {
  return names.length === 0;
}

const PRUNE_FILTERS = ['dangling', 'label', 'label!', 'until'];

async function prune(engine: Engine, { query, signal }: Call): Promise<Answer> {
  const filters = parseFilters(query.text('filters'));
  checkFilters(filters, PRUNE_FILTERS);
  const onlyDangling = flagFilter(filters, 'dangling') ?? true;
  const until = (filters.get('until') ?? []).map(parseTime);
  const isWanted = (image: ImageRecord) =>
    (!onlyDangling || isDangling(image)) &&
    matchesPrune(filters, image.config.Labels ?? {}) &&
    until.every((time) => Date.parse(image.createdAt) < time);
  const { removed, freedBytes } = await engine.images.prune(isWanted, signal);
  const body = {
    ImagesDeleted: removed.length > 0 ? removed.map(removedView) : null,
    SpaceReclaimed: freedBytes,
  };
  return { body };
}

function removedView(removed: Removed): object {
  return 'untagged' in removed ? { Untagged: removed.untagged } : { Deleted: removed.deleted };
}

async function search(engine: Engine, { req, query, signal }: Call): Promise<Answer> {
  const term = query.text('term');
  if (term === '') throw new HostError('InvalidArgument', 'INVALID_SEARCH', 'search: no term was given');
  const limit = query.has('limit') ? query.whole('limit') : 25;
  if (limit < 0 || limit > 100) {
    const message = `Limit ${limit} is outside the range of [1, 100]`;
    throw new HostError('InvalidArgument', 'INVALID_SEARCH', message);
  }
  const filters = parseFilters(query.text('filters'));
  checkFilters(filters, ['is-automated', 'is-official', 'stars']);
  const official = flagFilter(filters, 'is-official');
  const stars = Math.max(0, ...(filters.get('stars') ?? []).map(Number));
  const found = await engine.registries.search(term, limit || 25, registryAuth(req), signal);
  const body = found
    .filter((one) => one.stars >= stars && (official === undefined || one.isOfficial === official))
    .map((one) => ({
      name: one.name,
      description: one.description,
      star_count: one.stars,
      is_official: one.isOfficial,
      is_automated: false,
    }));
  return { body };
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
  let layer = 0;
  const steps = image.history.map((step) => ({
    step,
    sizeBytes: step.empty_layer === true ? 0 : (image.layerSizes?.[layer++] ?? 0),
  }));
  return steps.toReversed().map(({ step, sizeBytes }, index) => ({
    Id: index === 0 ? image.id : '<missing>',
    Created: Math.floor(Date.parse(String(step.created ?? image.createdAt)) / 1000) || 0,
    CreatedBy: step.created_by ?? '',
    Tags: index === 0 && image.names.length > 0 ? image.names.map(familiarName) : null,
    Size: sizeBytes,
    Comment: step.comment ?? '',
  }));
}
