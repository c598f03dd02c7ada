/** Errors on the wire: kind, code, hint and details of ours in `data`, so that they pass unchanged. */
import { asHostError, ERROR_KINDS, type ErrorKind, HostError, messageChain } from '../errors.ts';
import { INVALID_PARAMS, METHOD_NOT_FOUND, type RpcFault, TYPED_ERROR } from './json-rpc.ts';

export function errorToWire(thrown: unknown): RpcFault {
  const { kind, code, message, hint, details, cause } = asHostError(thrown);
  return {
    code: numberOf(code),
    message,
    data: {
      kind,
      code,
      ...(hint !== undefined && { hint }),
      ...(Object.keys(details).length > 0 && { details }),
      ...(cause !== undefined && { cause: messageChain(cause) }),
    },
  };
}

/** What a driver says that knows nothing of our kinds is its own words: Unknown, as of a Docker plugin. */
export function errorFromWire({ message, data, code }: RpcFault): HostError {
  const { kind, code: word, hint, details, cause } = (isObject(data) ? data : {}) as Record<string, unknown>;
  if (code === METHOD_NOT_FOUND) return new HostError('NotImplemented', 'DRIVER_METHOD_ABSENT', message);
  if (!isKindWord(kind) || typeof word !== 'string' || !/^[A-Z][A-Z0-9_]{0,63}$/.test(word)) {
    return new HostError('Unknown', 'DRIVER_ERROR', message, { details: { code } });
  }
  return passedOn(kind, word, message, {
    ...(typeof hint === 'string' && { hint }),
    ...(isObject(details) && { details: details as Readonly<Record<string, unknown>> }),
    ...(typeof cause === 'string' && { cause: new Error(cause) }),
  });
}

function passedOn(kind: ErrorKind, code: string, message: string, parts: object): HostError {
  return new HostError(kind, code, message, parts);
}

function numberOf(code: string): number {
  if (code === 'DRIVER_METHOD_ABSENT') return METHOD_NOT_FOUND;
  return code === 'BAD_REQUEST' ? INVALID_PARAMS : TYPED_ERROR;
}

function isKindWord(kind: unknown): kind is ErrorKind {
  return ERROR_KINDS.includes(kind as ErrorKind);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
