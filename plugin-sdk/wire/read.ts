/**
 * Reads a message the way Docker's Go code does, so that every plugin Docker lives with is understood: field names in
 * any case, unknown fields ignored, `null` as absent, a list written as `null` or `{}` as absent. A value of the wrong
 * JSON type is a fault, and all faults are told at once.
 */
import type { Static, TSchema } from 'typebox';

interface JsonSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>;
  readonly anyOf?: readonly JsonSchema[];
}

type Json = Readonly<Record<string, unknown>>;

export type Read<T> =
  | { readonly value: T; readonly faults?: never }
  | { readonly value?: never; readonly faults: readonly string[] };

export function readMessage<S extends TSchema>(schema: S, json: unknown): Read<Static<S>> {
  const faults: string[] = [];
  const value = readValue(schema as JsonSchema, json, '', faults);
  return faults.length > 0 ? { faults } : { value: value as Static<S> };
}

/** The first JSON value in `text`; what follows it is ignored. Throws SyntaxError. */
export function parseFirstJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const end = endOfFirstValue(text);
    if (end === undefined) throw error;
    return JSON.parse(text.slice(0, end));
  }
}

/** The field called `name` in any case, an exact match first; undefined when absent or null. */
export function fieldOf(json: unknown, name: string): unknown {
  if (!isObject(json)) return undefined;
  return json[exactKey(json, name) ?? ''] ?? undefined;
}

function readValue(schema: JsonSchema, json: unknown, path: string, faults: string[]): unknown {
  if (schema.anyOf !== undefined) return readNullable(schema.anyOf, json, path, faults);
  switch (schema.type) {
    case 'object':
      return readObject(schema, json, path, faults);
    case 'array':
      return readArray(schema, json, path, faults);
    case 'string':
    case 'boolean':
      return typeof json === schema.type ? json : fault(schema.type, json, path, faults);
    case 'integer':
      return Number.isInteger(json) ? json : fault('integer', json, path, faults);
    default:
      return json;
  }
}

/** A union is always "this or null" here. */
function readNullable(anyOf: readonly JsonSchema[], json: unknown, path: string, faults: string[]): unknown {
  const other = anyOf.find((schema) => schema.type !== 'null');
  return json === null || other === undefined ? null : readValue(other, json, path, faults);
}

function readObject(schema: JsonSchema, json: unknown, path: string, faults: string[]): unknown {
  if (!isObject(json)) return fault('object', json, path, faults);
  const [ofEach] = Object.values(schema.patternProperties ?? {});
  if (ofEach !== undefined) return readMap(ofEach, json, path, faults);
  const entries: [string, unknown][] = [];
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const at = path === '' ? name : `${path}.${name}`;
    const key = exactKey(json, name);
    const found = key === undefined ? undefined : json[key];
    if (!isAbsent(property, found)) entries.push([name, readValue(property, found, at, faults)]);
    else if (schema.required?.includes(name)) readMissing(property, name, at, entries, faults);
  }
  return Object.fromEntries(entries);
}

/** A list or map that is not there is an empty one; anything else that is required is a fault. */
function readMissing(
  property: JsonSchema,
  name: string,
  at: string,
  entries: [string, unknown][],
  faults: string[],
): void {
  const kinds = [property, ...(property.anyOf ?? [])];
  if (kinds.some((kind) => kind.type === 'null')) entries.push([name, null]);
  else if (property.type === 'array') entries.push([name, []]);
  else if (property.patternProperties !== undefined) entries.push([name, {}]);
  else faults.push(`${at}: missing`);
}

function readMap(ofEach: JsonSchema, json: Json, path: string, faults: string[]): unknown {
  return Object.fromEntries(
    Object.entries(json)
      .filter(([, value]) => value !== null || ofEach.type === undefined)
      .map(([key, value]) => [key, readValue(ofEach, value, `${path}.${key}`, faults)]),
  );
}

function readArray(schema: JsonSchema, json: unknown, path: string, faults: string[]): unknown {
  if (isObject(json) && Object.keys(json).length === 0) return [];
  if (!Array.isArray(json)) return fault('array', json, path, faults);
  const items = json.filter((item) => item !== null);
  return items.map((item, index) => readValue(schema.items ?? {}, item, `${path}[${index}]`, faults));
}

/** `null` is absent, but where the schema itself has a null. */
function isAbsent(schema: JsonSchema, value: unknown): boolean {
  if (value === undefined) return true;
  return value === null && schema.type !== undefined;
}

function fault(expected: string, json: unknown, path: string, faults: string[]): undefined {
  faults.push(`${path || 'message'}: expected ${expected}, found ${kindOf(json)}`);
  return undefined;
}

function kindOf(json: unknown): string {
  if (json === null || json === undefined) return 'null';
  return Array.isArray(json) ? 'array' : typeof json;
}

function isObject(json: unknown): json is Json {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function exactKey(json: Json, name: string): string | undefined {
  if (Object.hasOwn(json, name)) return name;
  const lower = name.toLowerCase();
  return Object.keys(json).find((key) => key.toLowerCase() === lower);
}

/** Index behind the first JSON object, list, string or word of `text`; undefined when it does not end. */
function endOfFirstValue(text: string): number | undefined {
  const start = text.search(/\S/);
  if (start === -1) return undefined;
  let depth = 0;
  let inString = false;
  for (let index = start; index < text.length; index++) {
    const char = text[index] ?? '';
    if (inString) {
      if (char === '\\') index++;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') depth--;
    else continue;
    if (depth === 0 && !inString) return index + 1;
  }
  return undefined;
}
