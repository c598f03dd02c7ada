/** The text of a container's /etc/hosts. */
import type { HostsEntry } from './extra-hosts.ts';

const LOOPBACK: readonly HostsEntry[] = [
  { address: '127.0.0.1', names: 'localhost' },
  { address: '::1', names: 'localhost ip6-localhost ip6-loopback' },
  { address: 'fe00::', names: 'ip6-localnet' },
  { address: 'ff00::', names: 'ip6-mcastprefix' },
  { address: 'ff02::1', names: 'ip6-allnodes' },
  { address: 'ff02::2', names: 'ip6-allrouters' },
];

/** With a network of its own: the loopback's names, then `entries`. */
export function hostsText(entries: readonly HostsEntry[]): string {
  return lines([...LOOPBACK, ...entries]);
}

/** On the host's network: the host's own file, then `entries`. */
export function hostsTextOnHost(host: string, entries: readonly HostsEntry[]): string {
  return (host === '' || host.endsWith('\n') ? host : `${host}\n`) + lines(entries);
}

function lines(entries: readonly HostsEntry[]): string {
  return entries.map(({ address, names }) => `${address}\t${names}\n`).join('');
}
