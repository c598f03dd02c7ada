/** How a contract's methods become messages of Docker's plugin protocol and back: pure functions, four a method. */
import type { WireMethod } from './method.ts';

/**
 * One method. What `fromWire` gets has been read by the method's schema, whose `Static` type it names; `never` here only
 * lets it name one.
 */
export interface MethodTranslation<Request, Answer> {
  readonly method: WireMethod;
  readonly request: {
    readonly toWire: (request: Request) => object;
    readonly fromWire: (wire: never) => Request;
  };
  readonly answer: {
    readonly toWire: (answer: Answer) => object;
    readonly fromWire: (wire: never, request: Request) => Answer;
  };
  /** What a plugin that lacks this optional method counts as having answered. */
  readonly whenAbsent?: Answer;
  /** A successful answer holds until the plugin is activated again. */
  readonly lasts?: true;
}

type RequestOf<M> = M extends (request: infer R, ...rest: never[]) => unknown ? R : never;
type AnswerOf<M> = M extends (...all: never[]) => Promise<infer A> ? A : never;

export type PointTranslation<T> = {
  readonly [M in keyof T & string as undefined extends T[M] ? never : M]-?: MethodTranslation<
    RequestOf<T[M]>,
    AnswerOf<T[M]>
  >;
};

/** A translation for those who call methods by name: the carrier and `serve`. */
export interface AnyTranslation {
  readonly method: WireMethod;
  readonly request: {
    readonly toWire: (request: unknown) => object;
    readonly fromWire: (wire: unknown) => object;
  };
  readonly answer: {
    readonly toWire: (answer: unknown) => object;
    readonly fromWire: (wire: unknown, request: unknown) => unknown;
  };
  readonly whenAbsent?: unknown;
  readonly lasts?: true;
}

/** Forgets the types of the messages, which were checked where the translation was written. */
export function byMethodName<T>(translation: PointTranslation<T>): ReadonlyMap<string, AnyTranslation> {
  return new Map(Object.entries(translation) as [string, unknown][] as [string, AnyTranslation][]);
}
