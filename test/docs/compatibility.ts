/**
 * The generated half of docs/compatibility.md: every operation that Docker publishes, with its state here, and the
 * options of a container that are refused. Run as a program (`npm run docs`) it writes them between their marks.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { PUBLISHED, shapeOf } from '../../core/api/routes/absent.ts';
import { routeTable } from '../../core/api/routes/table.ts';
import { ABSENT } from '../../core/controllers/container/unsupported.ts';
import type { Engine } from '../../core/engine.ts';
import { statesOf } from './parameters.ts';
import { readPublished } from './published.ts';

const PAGE = resolve(import.meta.dirname, '../../docs/compatibility.md');
export const BEGIN = '<!-- operations: written by `npm run docs` -->';
export const END = '<!-- end of operations -->';

/** What of an operation that is there answers 501 or is left out. */
const NOTES: Readonly<Record<string, string>> = {
  'POST /containers/create': 'the options below answer 501',
  'DELETE /containers/{id}': '`link` answers 501',
  'POST /containers/{id}/exec': '`DetachKeys` are kept and shown, and detach nothing',
  'POST /exec/{id}/start': 'stdin comes only with `Upgrade`',
  'POST /images/create': 'import from an archive; pull and import from a URL answer 501',
  'GET /images/{name}/history': 'sizes are 0',
  'GET /info': 'says what is there; fields for what is not are empty',
};

/** Rows of Gantry's own, and the published ones that are there, as `METHOD /path`. */
export function presentOperations(): readonly string[] {
  // The table is only looked at: no handler runs, so no engine is needed.
  const rows = routeTable({} as Engine).filter(({ name }) => name !== 'absent');
  return rows.map(({ method, path }) => `${method} ${shapeOf(path)}`);
}

export interface PresentParameters {
  /** `POST /containers/create`. */
  readonly operation: string;
  readonly row: string;
  readonly states: ReturnType<typeof statesOf>;
}

/** The published operations that are there and have parameters, with how each stands. */
export function presentParameters(): readonly PresentParameters[] {
  const rows = routeTable({} as Engine).filter(({ name }) => name !== 'absent');
  const names = new Map(rows.map(({ method, path, name }) => [`${method} ${shapeOf(path)}`, name]));
  return Object.entries(readPublished()).flatMap(([operation, published]) => {
    const row = names.get(shapeOf(operation));
    return row === undefined ? [] : [{ operation, row, states: statesOf(row, published) }];
  });
}

function parametersOf({ operation, states }: PresentParameters): string {
  const words = (names: readonly { readonly name: string }[]) =>
    names.map(({ name }) => `\`${name}\``).join(', ');
  const taken = states.filter(({ why }) => why === '');
  const others = [
    ...Map.groupBy(
      states.filter(({ why }) => why !== ''),
      ({ why }) => why,
    ),
  ];
  const left = others.map(([why, names]) => `${words(names)} (${why})`).join('; ');
  return `| \`${operation}\` | ${words(taken)} | ${left} |`;
}

export function generated(): string {
  const present = new Set(presentOperations());
  const isThere = (operation: string) => present.has(shapeOf(operation));
  const rows = PUBLISHED.map((operation) => {
    const state = isThere(operation) ? 'yes' : '501';
    return `| \`${operation}\` | ${state} | ${(isThere(operation) && NOTES[operation]) || ''} |`;
  });
  const options = Map.groupBy(Object.entries(ABSENT), ([, words]) => words);
  const refused = [...options].map(
    ([words, fields]) => `* ${words} (${fields.map(([field]) => `\`HostConfig.${field}\``).join(', ')})`,
  );
  return [
    `${PUBLISHED.filter(isThere).length} of the ${PUBLISHED.length} operations of API 1.55 are there.`,
    '',
    '| Operation | There? | What of it is not |',
    '| --- | --- | --- |',
    ...rows,
    '',
    'Their parameters, and fields of their bodies:',
    '',
    '| Operation | Taken | Left out |',
    '| --- | --- | --- |',
    ...presentParameters().map(parametersOf),
    '',
    'Options of a new container that are refused:',
    '',
    ...refused,
    '* networks other than `none` and `host`; with no word about a network there is a loopback interface only, and a warning',
    '* log drivers other than `json-file`, `local` and `none`, with 400 as in Docker; all keep their files in one format,',
    '  uncompressed, and of the options `labels`, `env` and `tag` only the first two show in `docker logs --details`',
  ].join('\n');
}

/** The page with its generated part made anew. */
export function refreshed(page: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`docs/compatibility.md lacks "${BEGIN}" or "${END}"`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${generated()}\n\n${page.slice(end)}`;
}

if (import.meta.main) writeFileSync(PAGE, refreshed(readFileSync(PAGE, 'utf8')));
