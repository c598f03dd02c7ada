/**
 * Messages of a contract on the JSON-RPC wire: the contract's own requests and answers, each as a schema. Nothing is
 * translated but bytes, which travel as base64, so the schemas must say what the contract's types say. The compiler checks
 * that.
 */
import type { Static, TSchema } from 'typebox';
import { Type } from 'typebox';

export interface RpcMethod {
  readonly params: TSchema;
  /** `null` where the contract answers nothing or undefined. */
  readonly result: TSchema;
  /** For a request that has bytes in it; others go as they are. */
  readonly bytes?: {
    readonly toWire: (request: never) => object;
    readonly fromWire: (params: never) => object;
  };
}

/** The types of the messages were checked where they were written. */
export interface AnyRpcMethod extends RpcMethod {
  readonly bytes?: {
    readonly toWire: (request: unknown) => object;
    readonly fromWire: (params: unknown) => object;
  };
}

export type PointMessages = Readonly<Record<string, AnyRpcMethod>>;

type RequestOf<M> = M extends (request: infer R, ...rest: never[]) => unknown ? R : never;
type AnswerOf<M> = M extends (...all: never[]) => Promise<infer A> ? A : never;
type Nothing = ReturnType<() => void>;
type OnWire<A> = [A] extends [Nothing] ? null : Exclude<A, undefined> | (undefined extends A ? null : never);

type ReadOnly<T> = T extends Uint8Array
  ? string
  : T extends readonly (infer E)[]
    ? readonly ReadOnly<E>[]
    : T extends object
      ? { readonly [K in keyof T]: ReadOnly<Exclude<T[K], undefined>> }
      : T;
/** Each can stand for the other, whatever is marked as read-only. */
type Same<A, B> = [ReadOnly<A>] extends [ReadOnly<B>]
  ? [ReadOnly<B>] extends [ReadOnly<A>]
    ? true
    : false
  : false;

type Fits<T, M extends Readonly<Record<keyof T & string, RpcMethod>>> = {
  readonly [K in keyof T & string]: {
    readonly params: Same<Static<M[K]['params']>, RequestOf<T[K]>> extends true
      ? TSchema
      : 'another type than the contract';
    readonly result: Same<Static<M[K]['result']>, OnWire<AnswerOf<T[K]>>> extends true
      ? TSchema
      : 'another type than the contract';
  };
};

/** `messagesOf<VolumeDriver>()({ create: …, … })`: refused by the compiler unless every method has its own messages. */
export function messagesOf<T>() {
  return <const M extends { readonly [K in keyof Required<T> & string]: RpcMethod }>(
    messages: M & Fits<Required<T>, M>,
  ): PointMessages => messages as PointMessages;
}

export const nothing = Type.Null({ description: 'Done.' });
export const noParams = Type.Record(Type.String(), Type.Never(), { description: 'No parameters.' });
export const textMap = Type.Record(Type.String(), Type.String());
export const anyMap = Type.Record(Type.String(), Type.Unknown());
export const texts = Type.Array(Type.String());
export const byId = Type.Object({ id: Type.String() }, { description: 'One task.' });
