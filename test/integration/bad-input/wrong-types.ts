/** For each field of a schema, one body in which that field alone has a type that it cannot have. */

/** What a typebox value is when it is looked at as JSON Schema. */
interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

export interface WrongBody {
  /** `HostConfig.Mounts.0.Target`, as errors name it. */
  readonly field: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** `base`: a body that is right. */
export function* wrongBodies(schema: object, base: Readonly<Record<string, unknown>>): Generator<WrongBody> {
  for (const { path, value } of faults(schema as Schema, [])) {
    yield { field: path.join('.'), body: setAt(base, path, value) as Readonly<Record<string, unknown>> };
  }
}

type Path = readonly (string | number)[];

function* faults(schema: Schema, path: Path): Generator<{ path: Path; value: unknown }> {
  const types = (schema.anyOf ?? [schema]).map(({ type }) => type);
  if (path.length > 0 && types.every((type) => type !== undefined)) yield { path, value: notOf(types) };
  for (const form of schema.anyOf ?? [schema]) {
    for (const [name, inner] of Object.entries(form.properties ?? {})) yield* faults(inner, [...path, name]);
    for (const inner of Object.values(form.patternProperties ?? {})) yield* faults(inner, [...path, 'key']);
    if (form.items) yield* faults(form.items, [...path, 0]);
  }
}

function notOf(types: readonly (string | undefined)[]): unknown {
  if (!types.includes('string')) return 'text';
  return types.includes('array') ? { wrong: true } : ['wrong'];
}

/** A copy of `base` with `value` there; what is missing on the way is made, and is right but for it. */
function setAt(base: unknown, [head, ...rest]: Path, value: unknown): unknown {
  if (head === undefined) return value;
  if (typeof head === 'number') return [setAt(Array.isArray(base) ? base[head] : undefined, rest, value)];
  const object = (base ?? {}) as Readonly<Record<string, unknown>>;
  return { ...object, [head]: setAt(object[head], rest, value) };
}
