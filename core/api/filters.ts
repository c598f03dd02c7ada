/** The `filters` parameter: JSON of name → values, in the old and the new form. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';

export type Filters = ReadonlyMap<string, readonly string[]>;

/** `{"label":["a=b"]}` or `{"label":{"a=b":true}}`. Errors: InvalidArgument. */
export function parseFilters(text: string): Filters {
  if (text === '') return new Map();
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid(`invalid filter: ${(error as Error).message}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw invalid('invalid filter');
  return new Map(Object.entries(parsed).map(([key, values]) => [key, valuesOf(key, values)]));
}

/** Refuses names that the list does not know. */
export function checkFilters(filters: Filters, known: readonly string[]): void {
  for (const key of filters.keys()) if (!known.includes(key)) throw invalid(`invalid filter '${key}'`);
}

/** Every `key` or `key=value` of the filter must hold. */
export function matchesLabels(
  filters: Filters,
  labels: Readonly<Record<string, string>>,
  key = 'label',
): boolean {
  return (filters.get(key) ?? []).every((wanted) => {
    const at = wanted.indexOf('=');
    return at < 0 ? wanted in labels : labels[wanted.slice(0, at)] === wanted.slice(at + 1);
  });
}

/** What a prune takes: every `label` must match and no `label!` may. */
export function matchesPrune(filters: Filters, labels: Readonly<Record<string, string>>): boolean {
  const unwanted = filters.has('label!') && matchesLabels(filters, labels, 'label!');
  return matchesLabels(filters, labels) && !unwanted;
}

/** One of the filter's values must hold; no such filter holds always. */
export function matchesAny(filters: Filters, key: string, holds: (value: string) => boolean): boolean {
  const values = filters.get(key);
  return values === undefined || values.length === 0 || values.some(holds);
}

/** Docker's words for a boolean filter. Errors: InvalidArgument. */
export function flagFilter(filters: Filters, key: string): boolean | undefined {
  const [value] = filters.get(key) ?? [];
  if (value === undefined) return undefined;
  if (['1', 'true'].includes(value)) return true;
  if (['0', 'false'].includes(value)) return false;
  throw invalid(`invalid filter '${key}=[${value}]'`);
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/** A date, seconds since 1970, or a duration back from now such as `1h30m`, as milliseconds since 1970. */
export function parseTime(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (/^(\d+[smh])+$/.test(text)) {
    const parts = [...text.matchAll(/(\d+)([smh])/g)];
    return (
      Date.now() - parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS[unit ?? ''] ?? 0), 0)
    );
  }
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw invalid(`invalid time: "${text}"`);
  return time;
}

function valuesOf(key: string, values: unknown): readonly string[] {
  if (Array.isArray(values) && values.every((value) => typeof value === 'string')) return values;
  if (typeof values === 'object' && values !== null && !Array.isArray(values)) {
    return Object.entries(values).flatMap(([value, on]) => (on === true ? [value] : []));
  }
  throw invalid(`invalid filter '${key}'`);
}

function invalid(message: string): HostError {
  return new HostError('InvalidArgument', 'INVALID_FILTER', message);
}
