/** docs/compatibility.md, the route table and Docker's published description, held together. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { PUBLISHED, shapeOf } from '../../../core/api/routes/absent.ts';
import { routeTable } from '../../../core/api/routes/table.ts';
import type { Engine } from '../../../core/engine.ts';
import { presentOperations, presentParameters, refreshed } from '../../docs/compatibility.ts';
import { LEFT_OUT, TAKEN } from '../../docs/parameters.ts';
import { fromDescription, readPublished } from '../../docs/published.ts';
import { markdown, ROOT, sourcesBelow } from './files.ts';

const DESCRIPTION = join(ROOT, '../shared/schemas/engine-api/v1.55.yaml');

/** `METHOD /path` of every operation; the description is regular enough to be read line by line. */
function operationsIn(yaml: string): readonly string[] {
  const lines = yaml.slice(yaml.indexOf('\npaths:\n') + '\npaths:\n'.length).split('\n');
  const operations: string[] = [];
  let path = '';
  for (const line of lines) {
    if (/^\S/.test(line)) break;
    path = /^ {2}"?(\/[^":]*)"?:\s*$/.exec(line)?.[1] ?? path;
    const method = /^ {4}(get|head|post|put|delete|patch):\s*$/.exec(line)?.[1];
    if (method) operations.push(`${method.toUpperCase()} ${path}`);
  }
  return operations;
}

t.test('the page is up to date', async (t) => {
  const page = markdown('docs/compatibility.md');
  t.equal(page, refreshed(page), 'npm run docs writes it anew');
});

t.test('every route is a published operation or below /gantry/', async (t) => {
  const published = new Set(PUBLISHED.map(shapeOf));
  const present = presentOperations();
  t.ok(present.length > 20, `${present.length} routes`);
  const unknown = present.filter((operation) => !published.has(operation) && !/ \/gantry\//.test(operation));
  t.same(unknown, []);
});

const noDescription = !existsSync(DESCRIPTION) && 'the published description is not on this machine';
t.test('the list of operations is the published one', { skip: noDescription }, async (t) => {
  const published = operationsIn(readFileSync(DESCRIPTION, 'utf8'));
  t.ok(published.length > 100, `${published.length} operations`);
  t.same([...PUBLISHED].sort(), [...published].sort());
});

t.test('the parameters of the operations are the published ones', { skip: noDescription }, async (t) => {
  t.same(readPublished(), fromDescription(), 'node test/docs/published.ts writes them anew');
});

t.test('of every published parameter something is said', async (t) => {
  const there = presentParameters();
  t.ok(there.length > 20, `${there.length} operations with parameters`);
  for (const { operation, states } of there) {
    const forgotten = states.filter(({ why }) => why === undefined).map(({ name }) => name);
    t.same(forgotten, [], `${operation}: TAKEN or LEFT_OUT of test/docs/parameters.ts`);
  }
  for (const [row, pattern] of LEFT_OUT) {
    const states = there.filter((one) => one.row === row).flatMap((one) => one.states);
    const left = states.filter(({ name, why }) => why !== '' && pattern.test(name));
    t.ok(left.length > 0, `${row} still leaves out ${pattern}`);
  }
});

t.test('the routes read the parameters that are said to be taken, and no others', async (t) => {
  const text = sourcesBelow('core/api/routes')
    .map((source) => source.text)
    .join('\n');
  const read = [...text.matchAll(/\bquery\.\w+\(\s*'([\w-]+)'|\w\(query, '([\w-]+)'/g)].map(
    ([, a, b]) => a ?? b,
  );
  t.ok(read.length > 40, `${read.length} places`);
  const taken = Object.values(TAKEN).flatMap(({ query = [] }) => query);
  t.same([...new Set(taken)].sort(), [...new Set(read)].sort(), 'TAKEN of test/docs/parameters.ts');
  const rows = routeTable({} as Engine).map(({ name }) => name);
  t.same(
    Object.keys(TAKEN).filter((row) => !rows.includes(row)),
    [],
    'each is a row',
  );
});
