/** What a volume driver's error means for the books. */
import { isHostError, isKind } from '@gantry/plugin-sdk/errors.ts';

/**
 * A Docker plugin says "no such volume" by an `Err`, for which the wire has no kind. Anything else that fails, a bad
 * answer or a lost connection, says nothing about the volume.
 */
export function saysAbsent(error: unknown): boolean {
  return isKind(error, 'NotFound') || (isHostError(error) && error.code === 'DRIVER_ERROR');
}

/**
 * Whether the driver certainly changed nothing: it was never reached, or said so in so many words. Otherwise the
 * operation stays open and is settled when the driver answers again.
 */
export function changedNothing(error: unknown): boolean {
  if (!isHostError(error)) return false;
  if (error.code === 'DRIVER_UNAVAILABLE' || error.code === 'DRIVER_CRASH_LOOP') return true;
  const unsure = ['Unavailable', 'DeadlineExceeded', 'Canceled', 'Internal'].includes(error.kind);
  return !unsure && error.code !== 'DRIVER_BAD_ANSWER';
}
