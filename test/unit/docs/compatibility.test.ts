/** docs/compatibility.md, the route table and Docker's published description, held together. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { PUBLISHED, shapeOf } from '../../../core/api/routes/absent.ts';
import { presentOperations, refreshed } from '../../docs/compatibility.ts';
import { markdown, ROOT } from './files.ts';

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
