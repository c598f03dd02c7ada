/** What a container is called inside. */
import { hostname } from 'node:os';
import type { ContainerRecord } from '../../../store/record-types.ts';
import { invalidOption } from '../options/fields.ts';

/** As the kernel has it. */
const LONGEST = 64;

interface Wanted {
  readonly Hostname?: string | undefined;
  readonly Domainname?: string | undefined;
}

/** Fixed when the container is made. Errors: InvalidArgument. */
export function settleHostname(
  id: string,
  { Hostname = '', Domainname = '' }: Wanted,
  { NetworkMode, UTSMode }: { readonly NetworkMode?: string; readonly UTSMode?: string },
): string {
  if (UTSMode === 'host' && (Hostname || Domainname))
    throw invalidOption('conflicting options: hostname and the UTS mode');
  for (const name of [Hostname, Domainname]) {
    if (Buffer.byteLength(name) > LONGEST || /[\0\n]/.test(name))
      throw invalidOption(`invalid hostname: ${JSON.stringify(name)} (at most ${LONGEST} bytes in one line)`);
  }
  if (Hostname) return Hostname;
  return NetworkMode === 'host' || UTSMode === 'host' ? hostname() : id.slice(0, 12);
}

export function hostnameOf({ id, config }: Pick<ContainerRecord, 'id' | 'config'>): string {
  return (config.Hostname as string | undefined) || id.slice(0, 12);
}

export function domainnameOf({ config }: Pick<ContainerRecord, 'config'>): string {
  return (config.Domainname as string | undefined) ?? '';
}
