/** Which points Docker plugins can serve, and by which messages. */
import { logPoint } from '../contracts/log.ts';
import { volumePoint } from '../contracts/volume.ts';
import type { ExtensionPoint } from '../extension-point.ts';
import { logTranslation } from './log.ts';
import { type AnyTranslation, byMethodName } from './translation.ts';
import { volumeTranslation } from './volume.ts';

const NONE: ReadonlyMap<string, AnyTranslation> = new Map();

const translations: ReadonlyMap<string, ReadonlyMap<string, AnyTranslation>> = new Map([
  [volumePoint.id, byMethodName(volumeTranslation)],
  [logPoint.id, byMethodName(logTranslation)],
]);

/** By contract method; empty for a point that has no messages of Docker's. */
export function translationsOf(
  point: Pick<ExtensionPoint<unknown>, 'id'>,
): ReadonlyMap<string, AnyTranslation> {
  return translations.get(point.id) ?? NONE;
}
