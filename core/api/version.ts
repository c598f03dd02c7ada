/** Engine API versions: what is served, and how two of them compare. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';

export const NEWEST_API = '1.55';
export const OLDEST_API = '1.24';

/** Of images in archives, which have had one form ever since: what skopeo asks as `docker-daemon:`. */
const OLDEST_ARCHIVE_API = '1.22';
const ARCHIVES = /^\/v[\d.]+\/images\/(load|get|.+\/(get|json))(\?|$)/;

/** Negative when `a` is older than `b`. */
export function compareApi(a: string, b: string): number {
  return a === b ? 0 : rank(a) - rank(b);
}

/** `1.41` as 1041: versions sort by number, and 1.9 before 1.10. */
function rank(version: string): number {
  const dot = version.indexOf('.');
  return Number(version.slice(0, dot)) * 1000 + Number(version.slice(dot + 1));
}

/** Refuses, in Docker's words, a version outside the served range; `url` has it in front. */
export function checkApi(version: string, url: string): void {
  if (compareApi(version, ARCHIVES.test(url) ? OLDEST_ARCHIVE_API : OLDEST_API) < 0) {
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
