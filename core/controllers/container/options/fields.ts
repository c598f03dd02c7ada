/** Pieces of schema that the families of options share, and how they say that a value is wrong. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import Type from 'typebox';

export const Strings = Type.Array(Type.String());
export const StringMap = Type.Record(Type.String(), Type.String());

export const text = Type.Optional(Type.String());
export const whole = Type.Optional(Type.Integer());
export const flag = Type.Optional(Type.Boolean());

/** May be absent, and null, which clients send for what was not given. */
export function nullable<T extends Type.TSchema>(schema: T) {
  return Type.Optional(Type.Union([schema, Type.Null()]));
}

/** Docker's words, where it has some. */
export function invalidOption(message: string, hint?: string): HostError {
  return new HostError(
    'InvalidArgument',
    'INVALID_CONTAINER_OPTION',
    message,
    hint === undefined ? {} : { hint },
  );
}

/** A part of the OCI specification's `linux.resources`. */
export type Section = Readonly<Record<string, unknown>>;

/** What the checks of a request share: they add to `warnings`, which the client shows. */
export interface Settling {
  readonly warnings: string[];
}
