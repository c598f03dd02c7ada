/** The one place that knows which HTTP status an error kind has, and how Docker words an error's body. */
import { asHostError, type ErrorKind, messageChain } from '@gantry/plugin-sdk/errors.ts';

const STATUS: Readonly<Record<ErrorKind, number>> = {
  InvalidArgument: 400,
  Unauthenticated: 401,
  PermissionDenied: 403,
  NotFound: 404,
  AlreadyExists: 409,
  Conflict: 409,
  FailedPrecondition: 409,
  NotImplemented: 501,
  ResourceExhausted: 503,
  Unavailable: 503,
  DeadlineExceeded: 500,
  Canceled: 500,
  Unknown: 500,
  Internal: 500,
};

/** Codes whose status differs from their kind's, because Docker's clients expect it so (ENGINE-API-FACTS 5). */
const STATUS_BY_CODE: Readonly<Record<string, number>> = {
  BODY_TOO_LARGE: 413,
  // Not 404: the docker command takes that for a missing image and pulls.
  DRIVER_NOT_FOUND: 400,
  // Docker answers 500 for whatever a plugin does wrong; the clients know no other.
  DRIVER_UNAVAILABLE: 500,
  // As Docker, for a registry that does not answer.
  REGISTRY_UNAVAILABLE: 500,
};

export interface ErrorAnswer {
  readonly status: number;
  readonly body: { readonly message: string };
}

/** `{"message": "…"}`, the remedy after the words where there is one. */
export function toErrorAnswer(thrown: unknown): ErrorAnswer {
  const error = asHostError(thrown);
  const status = STATUS_BY_CODE[error.code] ?? STATUS[error.kind];
  const message = error.hint ? `${messageChain(error)} (${error.hint})` : messageChain(error);
  return { status, body: { message } };
}
