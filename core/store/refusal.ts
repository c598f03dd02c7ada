/** What an error says about a driver's will. */
import { isHostError, isKind } from '@gantry/plugin-sdk/errors.ts';

/** The driver was there and said no in so many words: asked again at once it would say the same. */
export function isRefusal(error: unknown): boolean {
  if (!isHostError(error) || error.code === 'DRIVER_BAD_ANSWER') return false;
  return !isKind(error, 'Unavailable', 'DeadlineExceeded', 'Canceled', 'Internal');
}
