/** Which points Docker plugins can serve, and by which messages. */
import { logPoint } from '@gantry/plugin-sdk/contracts/log.ts';
import { volumePoint } from '@gantry/plugin-sdk/contracts/volume.ts';
import type { ExtensionPoint } from '@gantry/plugin-sdk/extension-point.ts';
import { logTranslation } from '@gantry/plugin-sdk/wire/log.ts';
import { type AnyTranslation, byMethodName } from '@gantry/plugin-sdk/wire/translation.ts';
import { volumeTranslation } from '@gantry/plugin-sdk/wire/volume.ts';

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
