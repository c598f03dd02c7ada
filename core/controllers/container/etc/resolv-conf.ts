/** The text of a container's /etc/resolv.conf: the host's, with what `--dns` and its kin say instead. */
import { isIP } from 'node:net';
import { invalidOption } from '../options/fields.ts';

export interface DnsOptions {
  readonly Dns?: readonly string[] | null;
  readonly DnsSearch?: readonly string[] | null;
  readonly DnsOptions?: readonly string[] | null;
}

/** Docker's, for a host that names no server which a container could reach. */
const FALLBACK = ['8.8.8.8', '8.8.4.4'];

/** Errors: InvalidArgument for a server that is no address. */
export function checkDns({ Dns }: DnsOptions): void {
  const wrong = Dns?.find((address) => isIP(address) === 0);
  if (wrong !== undefined) throw invalidOption(`bad nameserver address: ${JSON.stringify(wrong)}`);
}

/** `onHost`: the container is on the host's network, and reaches what listens on its loopback. */
export function resolvConfText(host: string, given: DnsOptions, onHost: boolean): string {
  const found = parse(host);
  const reachable = onHost ? found.servers : found.servers.filter((address) => !isLoopback(address));
  const servers = orElse(given.Dns, reachable.length > 0 || onHost ? reachable : FALLBACK);
  const search = orElse(given.DnsSearch, found.search);
  const options = orElse(given.DnsOptions, found.options);
  // A lone dot means: no domain at all.
  const domains = search.length === 1 && search[0] === '.' ? [] : search;
  return [
    ...servers.map((address) => `nameserver ${address}`),
    ...(domains.length > 0 ? [`search ${domains.join(' ')}`] : []),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
    '',
  ].join('\n');
}

function orElse(
  given: readonly string[] | null | undefined,
  otherwise: readonly string[],
): readonly string[] {
  return given?.length ? given : otherwise;
}

interface Parsed {
  readonly servers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** Source: resolv.conf(5); of `search` the last one counts. */
function parse(text: string): Parsed {
  const rows = text
    .split('\n')
    .map((line) =>
      line
        .replace(/[#;].*$/, '')
        .trim()
        .split(/\s+/),
    )
    .filter(([word]) => word);
  const all = (word: string) => rows.filter(([first]) => first === word).map(([, ...rest]) => rest);
  return {
    servers: all('nameserver').flatMap(([address = '']) => (address === '' ? [] : [address])),
    search: all('search').at(-1) ?? all('domain').at(-1) ?? [],
    options: all('options').flat(),
  };
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}
