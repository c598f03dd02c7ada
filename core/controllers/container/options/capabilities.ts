/** `--cap-add`, `--cap-drop` and what `--privileged` means for them. */
import { isHostError } from '@gantry/plugin-sdk/errors.ts';
import { allCapabilities, capabilitiesFor } from '@gantry/plugin-sdk/oci/capabilities.ts';
import Type, { type Static } from 'typebox';
import { flag, invalidOption, nullable, Strings } from './fields.ts';

export const CAPABILITY_FIELDS = { CapAdd: nullable(Strings), CapDrop: nullable(Strings), Privileged: flag };
const Fields = Type.Object(CAPABILITY_FIELDS);
export type CapabilityOptions = Static<typeof Fields>;

/** Errors: InvalidArgument, with the option's name. */
export function checkCapabilities({ CapAdd, CapDrop }: CapabilityOptions): void {
  check('CapAdd', CapAdd);
  check('CapDrop', CapDrop);
}

function check(field: 'CapAdd' | 'CapDrop', given: readonly string[] | null | undefined): void {
  try {
    capabilitiesFor(given ?? [], []);
  } catch (error) {
    if (!isHostError(error)) throw error;
    throw invalidOption(`invalid ${field}: ${error.message}`);
  }
}

/** Of the container's root; for other users it bounds what a set-user-id program may gain. */
export function capabilitiesOf({ CapAdd, CapDrop, Privileged }: CapabilityOptions): readonly string[] {
  return Privileged ? allCapabilities() : capabilitiesFor(CapAdd ?? [], CapDrop ?? []);
}
