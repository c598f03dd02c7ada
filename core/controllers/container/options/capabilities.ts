/** `--cap-add`, `--cap-drop` and what `--privileged` means for them. */
import { isHostError } from '@gantry/plugin-sdk/errors.ts';
import { allCapabilities, capabilitiesFor } from '@gantry/plugin-sdk/oci/capabilities.ts';
import Type, { type Static } from 'typebox';
import { flag, invalidOption, nullable, Strings } from './fields.ts';

export const CAPABILITY_FIELDS = { CapAdd: nullable(Strings), CapDrop: nullable(Strings), Privileged: flag };
const Fields = Type.Object(CAPABILITY_FIELDS);
export type CapabilityOptions = Static<typeof Fields>;

/** The names as they are kept: in full and in capitals. Errors: InvalidArgument, with the option's name. */
export function settleCapabilities({ CapAdd, CapDrop }: CapabilityOptions): CapabilityOptions {
  return { CapAdd: settle('CapAdd', CapAdd), CapDrop: settle('CapDrop', CapDrop) };
}

function settle(field: 'CapAdd' | 'CapDrop', given: string[] | null | undefined): string[] | null {
  if (!given) return null;
  try {
    capabilitiesFor(given, []);
  } catch (error) {
    if (!isHostError(error)) throw error;
    throw invalidOption(`invalid ${field}: ${error.message}`);
  }
  return given.map(fullName);
}

function fullName(given: string): string {
  const upper = given.toUpperCase();
  return upper === 'ALL' || upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
}

/** Of the container's root; for other users it bounds what a set-user-id program may gain. */
export function capabilitiesOf({ CapAdd, CapDrop, Privileged }: CapabilityOptions): readonly string[] {
  return Privileged ? allCapabilities() : capabilitiesFor(CapAdd ?? [], CapDrop ?? []);
}
