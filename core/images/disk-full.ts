/** A full disk as an error of ours, wherever on the way it shows. */
import { HostError, isHostError } from '@gantry/plugin-sdk/errors.ts';

const FULL = new Set(['ENOSPC', 'EDQUOT']);

export function asDiskFull(what: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (isHostError(error) || code === undefined || !FULL.has(code)) return error;
  return new HostError('ResourceExhausted', 'DISK_FULL', `${what}: ${message}`, {
    hint: 'make room, e.g. with docker system prune',
  });
}
