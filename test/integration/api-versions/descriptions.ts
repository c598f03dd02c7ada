/** Docker's published descriptions of the API, as schemas of its answers. They are data beside the project. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import { parse } from 'yaml';

const SCHEMAS = path.resolve(import.meta.dirname, '../../../../shared/schemas/engine-api');
export const NO_DESCRIPTIONS: string | false = existsSync(SCHEMAS)
  ? false
  : "Docker's published API descriptions are not beside the project";

type Json = Record<string, unknown>;

export interface Description {
  /** `GET /info`. */
  has(operation: string): boolean;
  validator(operation: string, status: number): ValidateFunction;
  /** Operations whose success has a schema of JSON. */
  readonly jsonOperations: readonly string[];
}

interface Operation {
  readonly responses: Readonly<Record<string, { readonly schema?: Json }>>;
  readonly produces?: readonly string[];
}

export function describe(version: string): Description {
  const description = parse(readFileSync(path.join(SCHEMAS, `v${version}.yaml`), 'utf8')) as Json;
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  ajv.addSchema({
    $id: 'api',
    definitions: toJsonSchema(description.definitions),
    responses: toJsonSchema(description.responses ?? {}),
  });
  const operations = new Map<string, Operation>();
  for (const [at, methods] of Object.entries(
    description.paths as Record<string, Record<string, Operation>>,
  )) {
    for (const [method, operation] of Object.entries(methods)) {
      operations.set(`${method.toUpperCase()} ${at}`, operation);
    }
  }
  return {
    has: (operation) => operations.has(operation),
    validator(operation, status) {
      const schema = toJsonSchema(operations.get(operation)?.responses[status]?.schema ?? {});
      return ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/')) as object);
    },
    jsonOperations: [...operations].flatMap(([name, operation]) => (answersJson(operation) ? [name] : [])),
  };
}

function answersJson({ responses }: Operation): boolean {
  return Object.entries(responses).some(
    ([status, { schema }]) => status.startsWith('20') && schema !== undefined && schema.type !== 'string',
  );
}

/** Swagger 2.0 as JSON Schema: `x-nullable` becomes a type of its own. */
function toJsonSchema(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(toJsonSchema);
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node).filter(
    ([key]) => !['example', 'format', 'x-go-name', 'x-go-type', 'readOnly', 'discriminator'].includes(key),
  );
  const { 'x-nullable': nullable, ...schema } = Object.fromEntries(
    entries.map(([key, value]) => [
      key,
      OR_NULL.includes(key) ? orNull(toJsonSchema(value)) : toJsonSchema(value),
    ]),
  ) as Json;
  // The engine, written in Go, sends null for any list or map that is empty; the description does not say so.
  const isEmptyNull = schema.type === 'array' || schema.type === 'object';
  return nullable === true || isEmptyNull ? orNull(schema) : schema;
}

/** Sent as null when they are not set, which the description does not say either. */
const OR_NULL = ['MemorySwappiness', 'OomKillDisable'];

function orNull(schema: unknown): object {
  return { anyOf: [schema, { type: 'null' }] };
}
