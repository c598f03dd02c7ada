/** Checks data against a schema; every fault is gathered, then thrown once. Compiled at first use (2 ms each). */

import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { Ajv, type ValidateFunction } from 'ajv';
import type { Static, TSchema } from 'typebox';
import { withoutNulls } from './without-nulls.ts';

let ajv: Ajv | undefined;

/** `what`: the action that the data asks for, e.g. `create container`. The result throws InvalidArgument. */
export function validatorOf<T extends TSchema>(what: string, schema: T): (value: unknown) => Static<T> {
  let compiled: ValidateFunction | undefined;
  return (value) => {
    ajv ??= new Ajv({ allErrors: true, strict: false });
    compiled ??= ajv.compile(schema);
    if (compiled(value)) return value as Static<T>;
    const plain = withoutNulls(schema, value);
    if (compiled(plain)) return plain as Static<T>;
    const faults = (compiled.errors ?? [])
      .filter(({ keyword }) => keyword !== 'anyOf')
      .map(
        ({ instancePath, message }) => `${instancePath.slice(1).replaceAll('/', '.') || 'body'} ${message}`,
      );
    throw new HostError('InvalidArgument', 'INVALID_BODY', `${what}: ${[...new Set(faults)].join('; ')}`);
  };
}
