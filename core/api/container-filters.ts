/** The `filters` of `GET /containers/json`: which containers somebody wants to see, as Docker decides it. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { Engine } from '../engine.ts';
import type { ContainerRecord } from '../store/record-types.ts';
import { checkFilters, type Filters, flagFilter, matchesAny, matchesLabels } from './filters.ts';

const FILTERS = [
  ...['ancestor', 'before', 'exited', 'expose', 'health', 'id', 'is-task', 'isolation', 'label', 'name'],
  ...['network', 'publish', 'since', 'status', 'volume'],
];
const STATUSES = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];
const HEALTHS = ['none', 'starting', 'healthy', 'unhealthy'];

/** Every filter must hold; of most any one value. Errors: InvalidArgument, NotFound for what `since` and `before` name. */
export function containerFilter(engine: Engine, filters: Filters): (container: ContainerRecord) => boolean {
  checkFilters(filters, FILTERS);
  checkWords(filters, 'status', STATUSES);
  checkWords(filters, 'health', HEALTHS);
  const all = (key: string) => filters.get(key) ?? [];
  const exitCodes = filters.has('exited') && all('exited').map(exitCode);
  const ancestors =
    filters.has('ancestor') && new Set(all('ancestor').flatMap((name) => descendants(engine, name)));
  const published =
    filters.has('publish') && new Set(all('publish').flatMap((ports) => portsOf('publish', ports)));
  const exposed =
    filters.has('expose') && new Set(all('expose').flatMap((ports) => portsOf('expose', ports)));
  const since = all('since').map((name) => engine.containers.find(name));
  const before = all('before').map((name) => engine.containers.find(name));
  const names = all('name').map(pattern);
  const ids = all('id').map(pattern);
  if (flagFilter(filters, 'is-task')) return () => false; // there is no swarm

  return (container) => {
    const { id, name, state, createdAt } = container;
    const fits = (patterns: readonly Pattern[], ...texts: readonly string[]) =>
      patterns.length === 0 || patterns.some((matches) => texts.some(matches));
    return (
      fits(names, name, `/${name}`) &&
      fits(ids, id) &&
      matchesLabels(filters, labelsOf(container)) &&
      (!exitCodes || (hasEnded(container) && exitCodes.includes(state.exitCode))) &&
      matchesAny(filters, 'status', (status) => shownStatus(container) === status) &&
      matchesAny(filters, 'health', (health) => healthOf(engine, container) === health) &&
      matchesAny(filters, 'network', (network) => networkOf(container) === network) &&
      matchesAny(filters, 'volume', (volume) => mounts(container, volume)) &&
      (!ancestors || ancestors.has(container.imageId)) &&
      (!(published || exposed) || exposesAny(engine, container, exposed || new Set())) &&
      since.every((other) => createdAt > other.createdAt) &&
      before.every((other) => createdAt < other.createdAt)
    );
  };
}

type Pattern = (text: string) => boolean;

/** A regular expression, unless it is none; it may also be the whole text. */
function pattern(wanted: string): Pattern {
  try {
    const expression = new RegExp(wanted);
    return (text) => text === wanted || expression.test(text);
  } catch {
    return (text) => text === wanted;
  }
}

function checkWords(filters: Filters, key: string, words: readonly string[]): void {
  for (const value of filters.get(key) ?? []) {
    if (words.includes(value)) continue;
    throw invalid(`invalid value for ${key} (${value}): must be one of ${words.join(', ')}`);
  }
}

function exitCode(text: string): number {
  if (/^-?\d+$/.test(text)) return Number(text);
  throw invalid(`invalid filter 'exited=${text}': it is not a whole number`);
}

/** Ids of the image and of those made on top of it; none when there is no such image. */
function descendants(engine: Engine, name: string): readonly string[] {
  const image = engine.images.find(name);
  if (!image) return [];
  const isBelow = (layers: readonly string[]) =>
    layers.length > image.layers.length && image.layers.every((layer, index) => layers[index] === layer);
  const above = engine.images.all().filter(({ layers }) => image.layers.length > 0 && isBelow(layers));
  return [image.id, ...above.map(({ id }) => id)];
}

/** `80`, `80/udp` or `8000-8010/tcp` as `PORT/PROTOCOL`. Errors: InvalidArgument. */
function portsOf(key: string, text: string): readonly string[] {
  if (text.includes(':')) throw invalid(`filter for '${key}' should not contain ':': ${text}`);
  const [, from, to = from, protocol = 'tcp'] = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(\w+))?$/.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to)];
  if (!(first <= last && last <= 65_535))
    throw invalid(`error while looking up for ${key} ${text}: invalid ports`);
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol}`);
}

/** Ports are published by networks, which none here does yet. */
function exposesAny(
  engine: Engine,
  { config, imageId }: ContainerRecord,
  wanted: ReadonlySet<string>,
): boolean {
  const own = Object.keys((config.ExposedPorts as object | null | undefined) ?? {});
  const ofImage = Object.keys(engine.images.find(imageId)?.config.ExposedPorts ?? {});
  return [...own, ...ofImage].some((port) => wanted.has(port.includes('/') ? port : `${port}/tcp`));
}

function mounts(container: ContainerRecord, volume: string): boolean {
  return container.mounts.some(
    ({ type, source, target }) => target === volume || (type === 'volume' && source === volume),
  );
}

function hasEnded({ state }: ContainerRecord): boolean {
  return !isUp(state.status) && state.status !== 'created';
}

function healthOf(engine: Engine, container: ContainerRecord): string {
  return engine.containers.health(container)?.status ?? 'none';
}

export function labelsOf({ config }: ContainerRecord): Readonly<Record<string, string>> {
  return (config.Labels as Readonly<Record<string, string>> | null) ?? {};
}

export function networkOf({ hostConfig }: ContainerRecord): string {
  return (hostConfig.NetworkMode as string | undefined) || 'default';
}

/** Docker has `paused` beside `running`, though a paused container runs. */
export function shownStatus({ state }: ContainerRecord): string {
  return state.paused ? 'paused' : state.status;
}

/** What `docker ps` shows without being asked for more. */
export function isUp(status: ContainerRecord['state']['status']): boolean {
  return status === 'running' || status === 'restarting';
}

function invalid(message: string): HostError {
  return new HostError('InvalidArgument', 'INVALID_FILTER', message);
}
