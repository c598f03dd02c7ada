/**
 * Parameters of the published operations, from Docker's description (which is data beside the project, not part of it) into
 * published.json: `node test/docs/published.ts`. A test compares both where the description is there.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';

export interface Published {
  readonly query: readonly string[];
  /** Fields of a JSON body, dotted: `HostConfig.Memory`, `HostConfig.Mounts.Type`. */
  readonly body: readonly string[];
}

export const DESCRIPTION: string = resolve(
  import.meta.dirname,
  '../../../shared/schemas/engine-api/v1.55.yaml',
);
const FILE = join(import.meta.dirname, 'published.json');
const DEPTH = 3;
/** What belongs to a swarm, which is not there, and would fill pages. */
const SWARM = /^\/(services|nodes|swarm|tasks|secrets|configs)/;

type Node = Readonly<Record<string, unknown>>;

export function readPublished(): Readonly<Record<string, Published>> {
  return JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, Published>;
}

export function fromDescription(): Record<string, Published> {
  const { paths, definitions } = parse(readFileSync(DESCRIPTION, 'utf8')) as {
    paths: Node;
    definitions: Node;
  };
  const found: Record<string, Published> = {};
  for (const [path, methods] of Object.entries(paths)) {
    if (SWARM.test(path)) continue;
    for (const [method, operation] of Object.entries(methods as Node)) {
      const { parameters = [] } = operation as { parameters?: Node[] };
      const query = parameters.filter((one) => one.in === 'query').map(({ name }) => String(name));
      const bodies = parameters.filter((one) => one.in === 'body').map(({ schema }) => schema as Node);
      const body = bodies.flatMap((schema) => fieldsOf(schema, definitions));
      if (query.length + body.length > 0) {
        found[`${method.toUpperCase()} ${path}`] = { query, body: [...new Set(body)] };
      }
    }
  }
  return found;
}

function fieldsOf(schema: Node, definitions: Node, prefix = '', depth = 1): string[] {
  const { $ref, allOf, properties, items } = schema as {
    $ref?: string;
    allOf?: Node[];
    properties?: Node;
    items?: Node;
  };
  if ($ref) return fieldsOf(definitions[$ref.split('/').at(-1) ?? ''] as Node, definitions, prefix, depth);
  const fields = Object.entries(properties ?? {}).flatMap(([name, value]) => [
    prefix + name,
    ...(depth < DEPTH ? fieldsOf(value as Node, definitions, `${prefix}${name}.`, depth + 1) : []),
  ]);
  const inherited = (allOf ?? []).flatMap((part) => fieldsOf(part, definitions, prefix, depth));
  return [...inherited, ...fields, ...(items ? fieldsOf(items, definitions, prefix, depth) : [])];
}

if (import.meta.main) writeFileSync(FILE, `${JSON.stringify(fromDescription(), null, 2)}\n`);
