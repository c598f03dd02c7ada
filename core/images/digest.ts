/** Digests: `sha256:` and 64 lower-case hex digits, of exact bytes. */
import { createHash } from 'node:crypto';
import { HostError } from '@gantry/plugin-sdk/errors.ts';

const SHAPE = /^sha256:([0-9a-f]{64})$/;

export function sha256(bytes: string | Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export function isDigest(text: unknown): text is string {
  return typeof text === 'string' && SHAPE.test(text);
}

/** The hex digits. Throws InvalidArgument for anything else than a sha256 digest: it becomes part of a path. */
export function digestHex(digest: string): string {
  const hex = SHAPE.exec(digest)?.[1];
  if (hex === undefined) {
    throw new HostError(
      'InvalidArgument',
      'DIGEST_INVALID',
      `digest "${digest}" is not sha256 with 64 hex digits`,
    );
  }
  return hex;
}

export function requireSame(what: string, actual: string, expected: string): void {
  if (actual === expected) return;
  throw new HostError(
    'InvalidArgument',
    'DIGEST_MISMATCH',
    `${what}: digest is ${actual}, expected ${expected}`,
    {
      details: { actual, expected },
    },
  );
}
