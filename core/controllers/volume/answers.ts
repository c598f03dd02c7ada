/** What a volume driver's error means for the books. */
import { isHostError, isKind } from '@gantry/plugin-sdk/errors.ts';

/**
 * A Docker plugin says "no such volume" by an `Err`, for which the wire has no kind. Anything else that fails, a bad
 * answer or a lost connection, says nothing about the volume.
 */
export function saysAbsent(error: unknown): boolean {
  return isKind(error, 'NotFound') || (isHostError(error) && error.code === 'DRIVER_ERROR');
}
