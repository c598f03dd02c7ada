/** What an error says about a driver's will, and so about what it may have done. */
import { isHostError, isKind } from '@gantry/plugin-sdk/errors.ts';

/** Codes of calls that never left the host. */
const NOT_SENT: readonly string[] = [
  'DRIVER_UNAVAILABLE',
  'DRIVER_NOT_FOUND',
  'DRIVER_CRASH_LOOP',
  'DRIVER_BUSY',
];

/** The driver was there and said no in so many words: asked again at once it would say the same. */
export function isRefusal(error: unknown): boolean {
  if (!isHostError(error) || error.code === 'DRIVER_BAD_ANSWER') return false;
  return !isKind(error, 'Unavailable', 'DeadlineExceeded', 'Canceled', 'Internal');
}

/** It refused, or was never asked: then it certainly changed nothing. After any other failure it may have. */
export function changedNothing(error: unknown): boolean {
  return isRefusal(error) || wasNotSent(error);
}

/**
 * The same of an effect that may be ours to make in the kernel, where a failure half way is no refusal: only a plugin's
 * own words count, or that it was never asked. Docker sends no `Unmount` then.
 */
export function madeNothing(error: unknown): boolean {
  return wasNotSent(error) || (isHostError(error) && error.code === 'DRIVER_ERROR');
}

function wasNotSent(error: unknown): boolean {
  return isHostError(error) && NOT_SENT.includes(error.code);
}
