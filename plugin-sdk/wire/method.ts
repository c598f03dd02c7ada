/**
 * One method of Docker's plugin protocol: `POST /Kind.Method`. The table of all of them is `methods.ts`; a schema stands
 * once, in the file of its kind. `protocol/PLUGIN-PROTOCOL.md` is where each fact comes from.
 */
import { type TSchema, Type } from 'typebox';

export interface WireMethod {
  /** `VolumeDriver.Create`; the request's path is this behind a slash. */
  readonly name: string;
  readonly request: TSchema;
  /** What is sent: the request as JSON, `{}`, or nothing at all. Some plugins fail on a body where Docker sends none. */
  readonly body: 'json' | 'empty-object' | 'none';
  readonly answer: TSchema;
  /** What becomes of a 200: decoded, not looked at, or passed on as it comes. */
  readonly reply: 'json' | 'ignored' | 'stream';
  /** Where a 200 answer carries the plugin's error text; `none`: nowhere (AuthZ). */
  readonly errorField: 'Err' | 'Error' | 'none';
  /** Docker's time-out where it has one (VolumeDriver), else ours; 0: as long as the stream lasts. */
  readonly timeoutMs: number;
  /** A plugin may lack it: any refusal then counts as "absent". */
  readonly optional: boolean;
}

const DEFAULTS = {
  body: 'json',
  reply: 'json',
  errorField: 'Err',
  timeoutMs: 60_000,
  optional: false,
} as const;

export function wireMethod(
  name: string,
  request: TSchema,
  answer: TSchema,
  rest: Partial<Omit<WireMethod, 'name' | 'request' | 'answer'>> = {},
): WireMethod {
  return { name, request, answer, ...DEFAULTS, ...rest };
}

/** The request of methods that have none. */
export const NoRequest = Type.Object({}, { description: 'No parameters.' });

export const errorText = Type.Optional(
  Type.String({ description: 'What went wrong, in words for the user; empty or absent when nothing did.' }),
);

/** An answer with `Err` beside its own fields. */
export const ErrorAnswer = Type.Object({ Err: errorText }, { description: 'Success, or an error text.' });

/** A value that the other side may also write as `null`. */
export function nullable<S extends TSchema>(schema: S) {
  return Type.Union([schema, Type.Null()]);
}

export const TextMap = Type.Record(Type.String(), Type.String());
export const AnyMap = Type.Record(Type.String(), Type.Unknown());
