/** Engine API versions: what is served, and how two of them compare. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';

export const NEWEST_API = '1.55';
export const OLDEST_API = '1.41';

/** Negative when `a` is older than `b`. */
export function compareApi(a: string, b: string): number {
  const [aMajor = 0, aMinor = 0] = a.split('.').map(Number);
  const [bMajor = 0, bMinor = 0] = b.split('.').map(Number);
  return aMajor - bMajor || aMinor - bMinor;
}

/** Refuses, in Docker's words, a version outside the served range. */
export function checkApi(version: string): void {
  if (compareApi(version, OLDEST_API) < 0) {
    throw new HostError(
      'InvalidArgument',
      'API_TOO_OLD',
      `client version ${version} is too old. Minimum supported API version is ${OLDEST_API}, please upgrade your client to a newer version`,
    );
  }
  if (compareApi(version, NEWEST_API) > 0) {
    throw new HostError(
      'InvalidArgument',
      'API_TOO_NEW',
      `client version ${version} is too new. Maximum supported API version is ${NEWEST_API}`,
    );
  }
}
