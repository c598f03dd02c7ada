/** Checks a message against its schema; all faults at once. Compiled at first use, 2 ms each. */
import { Ajv, type ValidateFunction } from 'ajv';
import type { TSchema } from 'typebox';

let ajv: Ajv | undefined;
const compiled: WeakMap<TSchema, ValidateFunction> = new WeakMap();

/** Undefined when the value fits, else what does not, as `spec.root.path must be string; …`. */
export function faultsOf(schema: TSchema, value: unknown): string | undefined {
  ajv ??= new Ajv({ allErrors: true, strict: false });
  const validate = compiled.get(schema) ?? ajv.compile(schema);
  compiled.set(schema, validate);
  if (validate(value)) return undefined;
  const faults = (validate.errors ?? [])
    .filter(({ keyword }) => keyword !== 'anyOf')
    .map(({ instancePath, message }) => `${instancePath.slice(1).replaceAll('/', '.')} ${message}`.trim());
  return [...new Set(faults)].join('; ') || 'of a wrong shape';
}
