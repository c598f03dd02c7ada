/** Up to 1.40: images may be looked for by a `filter` that is no JSON, and containers are made for no platform. */
import { ignoring, type VersionStep } from './step.ts';

/** `filter=busy*` is the filter `reference` of later versions. */
function filterToFilters(params: URLSearchParams): void {
  const filter = params.get('filter');
  params.delete('filter');
  const filters = parse(params.get('filters') || '{}');
  if (!filter || !filters) return;
  const { reference = [] } = filters;
  const references = Array.isArray(reference) ? reference : Object.keys(reference as object);
  params.set('filters', JSON.stringify({ ...filters, reference: [...references, filter] }));
}

/** Undefined for what is no JSON: it is left to who reads the filters, and refuses it. */
function parse(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

export const v1_40: VersionStep = {
  version: '1.40',
  query: { 'image.list': filterToFilters, 'container.create': ignoring('platform') },
};
