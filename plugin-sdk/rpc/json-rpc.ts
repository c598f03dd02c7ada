/** JSON-RPC 2.0 messages as lines of text and back; the one file that knows the package which reads them. */
import { JsonRpcError, parse as parseText } from 'jsonrpc-lite';

export type RpcId = string | number | null;

export interface RpcFault {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

export type RpcMessage =
  | { readonly type: 'request'; readonly id: RpcId; readonly method: string; readonly params: unknown }
  | { readonly type: 'notification'; readonly method: string; readonly params: unknown }
  | { readonly type: 'result'; readonly id: RpcId; readonly result: unknown }
  | { readonly type: 'error'; readonly id: RpcId; readonly error: RpcFault };

/** What a line may be that is no message: not JSON at all, or JSON of another shape. */
export type RpcNonsense = { readonly type: 'nonsense'; readonly fault: RpcFault };

export const PARSE_ERROR = -32700;
export const INVALID_REQUEST = -32600;
export const METHOD_NOT_FOUND = -32601;
export const INVALID_PARAMS = -32602;
/** Of every error that carries a kind and a code of ours. */
export const TYPED_ERROR = -32000;

/** Reads one line. Batches are not spoken: they are nonsense. */
export function readLine(line: string): RpcMessage | RpcNonsense {
  const parsed = parseText(line);
  if (Array.isArray(parsed)) return nonsense(JsonRpcError.invalidRequest(undefined));
  const { payload } = parsed;
  switch (parsed.type) {
    case 'request': {
      const { id, method, params } = payload as { id: RpcId; method: string; params?: unknown };
      return { type: 'request', id, method, params };
    }
    case 'notification': {
      const { method, params } = payload as { method: string; params?: unknown };
      return { type: 'notification', method, params };
    }
    case 'success': {
      const { id, result } = payload as { id: RpcId; result: unknown };
      return { type: 'result', id, result };
    }
    case 'error': {
      const { id, error } = payload as { id: RpcId; error: RpcFault };
      return { type: 'error', id, error };
    }
    default:
      return nonsense(payload as JsonRpcError);
  }
}

/** With the line's end. Written by hand: the package checks again what was made here. */
export function requestLine(id: number, method: string, params: object): string {
  return `${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`;
}

export function notificationLine(method: string, params: object): string {
  return `${JSON.stringify({ jsonrpc: '2.0', method, params })}\n`;
}

/** `undefined` travels as null. */
export function resultLine(id: RpcId, result: unknown): string {
  return `${JSON.stringify({ jsonrpc: '2.0', id, result: result ?? null })}\n`;
}

export function errorLine(id: RpcId, error: RpcFault): string {
  return `${JSON.stringify({ jsonrpc: '2.0', id, error })}\n`;
}

/** Without the package's `data`, which repeats the whole line. */
function nonsense({ code, message }: RpcFault): RpcNonsense {
  return { type: 'nonsense', fault: { code, message } };
}
