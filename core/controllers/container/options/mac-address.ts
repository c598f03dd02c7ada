/** `--mac-address`: checked; without networks of its own no container has an interface to give it to. */
import { invalidOption } from './fields.ts';

/** Errors: InvalidArgument, in Docker's words. */
export function checkMacAddress(address: string | undefined, networkMode = ''): void {
  if (!address) return;
  if (networkMode === 'host' || networkMode.startsWith('container:'))
    throw invalidOption('conflicting options: mac-address and the network mode');
  if (!/^[0-9a-f]{2}(([:-])[0-9a-f]{2})(\2[0-9a-f]{2}){4}$/i.test(address))
    throw invalidOption(`address ${address}: invalid MAC address`);
}
