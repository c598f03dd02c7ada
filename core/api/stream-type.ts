/** The Content-Type of a container's output. The bytes are the same in all versions; until 1.41 frames had no name. */
import { compareApi } from './version.ts';

export function streamType(terminal: boolean, version: string): string {
  const type = terminal || compareApi(version, '1.42') < 0 ? 'raw' : 'multiplexed';
  return `application/vnd.docker.${type}-stream`;
}
