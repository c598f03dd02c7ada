/** `--add-host NAME:ADDRESS`: further lines of /etc/hosts. */
import { isIP } from 'node:net';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { invalidOption } from '../options/fields.ts';

/** Stands for an address at which the container reaches the host. */
const GATEWAY = 'host-gateway';

export interface HostsEntry {
  readonly address: string;
  readonly names: string;
}

/** Errors: InvalidArgument, in Docker's words. */
export function checkExtraHosts(given: readonly string[]): void {
  for (const entry of given) {
    const [name, address] = split(entry);
    if (name === '' || address === '')
      throw invalidOption(`bad format for add-host: ${JSON.stringify(entry)}`);
    if (address !== GATEWAY && isIP(address) === 0)
      throw invalidOption(`invalid IP address in add-host: ${JSON.stringify(address)}`);
  }
}

/** `gateways`: what `host-gateway` stands for. Errors: FailedPrecondition when that is asked for and not known. */
export function extraHosts(
  given: readonly string[],
  gateways: readonly string[] = [],
): readonly HostsEntry[] {
  return given.flatMap((entry) => {
    const [names, address] = split(entry);
    if (address !== GATEWAY) return [{ address, names }];
    if (gateways.length > 0) return gateways.map((gateway) => ({ address: gateway, names }));
    throw new HostError(
      'FailedPrecondition',
      'NO_HOST_GATEWAY',
      'unable to derive the IP value for host-gateway',
      {
        hint: 'give the address itself: there is no bridge network',
      },
    );
  });
}

/** The address may have colons too, and brackets around it. */
function split(entry: string): readonly [name: string, address: string] {
  const at = entry.search(/[:=]/);
  if (at < 0) return [entry, ''];
  return [entry.slice(0, at), entry.slice(at + 1).replace(/^\[(.*)\]$/, '$1')];
}
