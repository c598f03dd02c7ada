/**
 * Takes fields that are null out of a body, where its schema names the field. Docker reads bodies as Go does, to which a
 * null says nothing, and clients such as docker-compose send one for whatever was not given. Entries of maps, whose keys
 * are the caller's own, stay.
 */

/** What a typebox value is when it is looked at as JSON Schema. */
interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
}

export function withoutNulls(schema: object, value: unknown): unknown {
  const forms = (schema as Schema).anyOf ?? [schema as Schema];
  return forms.reduce(inForm, value);
}

function inForm(value: unknown, { properties, items }: Schema): unknown {
  if (items && Array.isArray(value)) return value.map((item) => withoutNulls(items, item));
  if (!properties || typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).filter(
    ([name, inner]) => inner !== null || !Object.hasOwn(properties, name),
  );
  return Object.fromEntries(
    entries.map(([name, inner]) => {
      const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
      return [name, known ? withoutNulls(known, inner) : inner];
    }),
  );
}
