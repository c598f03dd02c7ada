/** Up to 1.40: images may be looked for by a `filter` that is no JSON, and containers are made for no platform. */
import { filtersOf, ignoring, type VersionStep } from './step.ts';

/** `filter=busy*` is the filter `reference` of later versions. */
function filterToFilters(params: URLSearchParams): void {
  const filter = params.get('filter');
  params.delete('filter');
  const filters = filtersOf(params);
  if (!filter || !filters) return;
  const { reference = [] } = filters;
  const references = Array.isArray(reference) ? reference : Object.keys(reference as object);
  params.set('filters', JSON.stringify({ ...filters, reference: [...references, filter] }));
}

export const v1_40: VersionStep = {
  version: '1.40',
  query: { 'image.list': filterToFilters, 'container.create': ignoring('platform') },
};
