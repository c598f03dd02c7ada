/**
 * The one error class of Gantry. `kind` is a closed list that decides handling; `code` is a stable word for people and
 * documentation (docs/errors.md). Recognised by a brand, since two copies of this package may be loaded.
 */

export const ERROR_KINDS = [
  'InvalidArgument',
  'Unauthenticated',
  'PermissionDenied',
  'NotFound',
  'AlreadyExists',
  'Conflict',
  'FailedPrecondition',
  'NotImplemented',
  'ResourceExhausted',
  'Unavailable',
  'DeadlineExceeded',
  'Canceled',
  'Unknown',
  'Internal',
] as const;

export type ErrorKind = (typeof ERROR_KINDS)[number];

export interface HostErrorParts {
  readonly cause?: unknown;
  /** What the reader can do about it: one sentence, imperative. */
  readonly hint?: string;
  /** What stands in the way, by name: `{ containers: ['c1'] }`. */
  readonly details?: Readonly<Record<string, unknown>>;
}

const brand = Symbol.for('gantry.HostError');

export class HostError extends Error {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;
  readonly [brand] = true;

  constructor(kind: ErrorKind, code: string, message: string, parts: HostErrorParts = {}) {
    // What drivers and users do wrong is expected, and told by its message: only our own faults are worth a stack.
    const { stackTraceLimit } = Error;
    if (kind !== 'Internal') Error.stackTraceLimit = 0;
    super(message, parts.cause === undefined ? undefined : { cause: parts.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'HostError';
    this.kind = kind;
    this.code = code;
    // What can be done about the cause can be done about what it caused.
    this.hint = parts.hint ?? (isHostError(parts.cause) ? parts.cause.hint : undefined);
    this.details = parts.details ?? {};
  }
}

export function isHostError(error: unknown): error is HostError {
  return typeof error === 'object' && error !== null && brand in error;
}

export function isKind(error: unknown, ...kinds: readonly ErrorKind[]): error is HostError {
  return isHostError(error) && kinds.includes(error.kind);
}

/** Anything thrown, as a HostError: what is not one already is our own fault and becomes `Internal`. */
export function asHostError(error: unknown): HostError {
  if (isHostError(error)) return error;
  if (error instanceof Error && error.name === 'AbortError') {
    return new HostError('Canceled', 'CANCELED', 'the caller went away', { cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new HostError('Internal', 'INTERNAL', message, { cause: error });
}

/** The message with its causes, outermost first: `a: b: c`; a cause already quoted by its parent is not repeated. */
export function messageChain(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (!parts.some((part) => part.includes((at as Error).message))) parts.push(at.message);
  }
  return parts.join(': ') || String(error);
}
