/** What a registry, or the way to it, answered instead of what was asked for. */
import type { IncomingHttpHeaders } from 'node:http';
import { HostError, type HostErrorParts, isHostError } from '@gantry/plugin-sdk/errors.ts';

type Make = (message: string, parts: HostErrorParts) => HostError;

const BY_STATUS: Readonly<Record<number, Make>> = {
  401: (message, parts) => new HostError('Unauthenticated', 'REGISTRY_UNAUTHORIZED', message, parts),
  403: (message, parts) => new HostError('PermissionDenied', 'REGISTRY_DENIED', message, parts),
  404: (message, parts) => new HostError('NotFound', 'REGISTRY_NOT_FOUND', message, parts),
  429: (message, parts) => new HostError('ResourceExhausted', 'REGISTRY_TOO_MANY_REQUESTS', message, parts),
};
const ill: Make = (message, parts) => new HostError('Unavailable', 'REGISTRY_UNAVAILABLE', message, parts);
const refusal: Make = (message, parts) => new HostError('Unknown', 'REGISTRY_REFUSED', message, parts);

/** For an answer without any, as that to a HEAD. */
const WORDS: Readonly<Record<number, string>> = {
  401: 'unauthorized: authentication required',
  403: 'denied: requested access to the resource is denied',
};

const MAX_WORDS = 300;

/** From an answer's status and its body, which has a list of errors or is anything at all. */
export function registryFailure(
  what: string,
  { status, headers }: { status: number; headers: IncomingHttpHeaders },
  body: Buffer,
): HostError {
  const { codes, words } = errorsIn(body);
  const retryAfterMs = retryAfter(headers['retry-after']);
  const make = BY_STATUS[status] ?? (status >= 500 ? ill : refusal);
  return make(`${what}: ${words || WORDS[status] || `the registry answered ${status}`}`, {
    details: { status, codes, words, ...(retryAfterMs !== undefined && { retryAfterMs }) },
  });
}

/** The connection failed, was cut or stood still. */
export function unreachable(what: string, cause: unknown): HostError {
  const { code } = cause as { code?: unknown };
  const why = cause instanceof Error && cause.message ? cause.message : String(cause);
  return ill(`${what}: ${why}`, { details: typeof code === 'string' ? { errno: code } : {} });
}

/** The same failure, where another try would only meet it again. */
export function forGood(error: HostError): HostError {
  return ill(error.message, { details: { ...error.details, isForGood: true } });
}

/** It answered, but not as the distribution API has it. */
export function badAnswer(what: string, why: string): HostError {
  return new HostError('Unknown', 'REGISTRY_ANSWER_INVALID', `${what}: ${why}`);
}

/** Whether the registry said one of these in its list of errors, e.g. `MANIFEST_UNKNOWN`. */
export function says(error: unknown, ...codes: readonly string[]): boolean {
  if (!isHostError(error)) return false;
  const said = error.details.codes;
  return Array.isArray(said) && said.some((code) => codes.includes(code));
}

/** What the registry said, without what it was asked; '' when it said nothing. */
export function wordsOf(error: unknown): string {
  const words = isHostError(error) ? error.details.words : undefined;
  return typeof words === 'string' ? words : '';
}

/** HTTP status that the registry answered with; undefined when there was no answer. */
export function statusOf(error: unknown): number | undefined {
  const status = isHostError(error) ? error.details.status : undefined;
  return typeof status === 'number' ? status : undefined;
}

function errorsIn(body: Buffer): { codes: readonly string[]; words: string } {
  try {
    const value = JSON.parse(body.toString('utf8')) as { errors?: unknown; details?: unknown };
    if (Array.isArray(value.errors)) {
      const errors = value.errors as { code?: unknown; message?: unknown }[];
      const codes = errors.map(({ code }) => String(code ?? 'UNKNOWN'));
      const words = errors.map(({ message }, at) => `${spoken(codes[at] ?? '')}: ${String(message ?? '')}`);
      return { codes, words: words.join('; ').slice(0, MAX_WORDS) };
    }
    // Token servers have one field instead.
    if (typeof value.details === 'string') return { codes: [], words: value.details.slice(0, MAX_WORDS) };
  } catch {}
  return { codes: [], words: '' };
}

/** `MANIFEST_UNKNOWN` as Docker says it: `manifest unknown`. */
function spoken(code: string): string {
  return code.toLowerCase().replaceAll('_', ' ');
}

/** Seconds, or a date. */
function retryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
