/** Why an image could not be had, in the words that Docker's clients look for. */
import { HostError, isKind } from '@gantry/plugin-sdk/errors.ts';
import { says, wordsOf } from '../../../registry/client/failure.ts';

/** `reference`: as a person types it. */
export function asPullError(reference: string, error: unknown): unknown {
  const words = wordsOf(error);
  const because = words ? `: ${words}` : '';
  if (isKind(error, 'Unauthenticated', 'PermissionDenied') && error.code !== 'REGISTRY_REALM_REFUSED') {
    const [repository = reference] = reference.split('@');
    const bare = repository.replace(/:[^:/]*$/, '');
    return new HostError(
      'NotFound',
      'PULL_DENIED',
      `pull access denied for ${bare}, repository does not exist or may require 'docker login'${because}`,
      { details: error.details },
    );
  }
  if (!isKind(error, 'NotFound') || error.code !== 'REGISTRY_NOT_FOUND') return error;
  const message = says(error, 'NAME_UNKNOWN')
    ? `repository ${reference} not found${because}`
    : `manifest for ${reference} not found${because || ': manifest unknown: manifest unknown'}`;
  return new HostError('NotFound', 'MANIFEST_NOT_FOUND', message, { details: error.details });
}
