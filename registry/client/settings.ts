/** What the operator says about registries, as plain values, and what follows from it for one of them. */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

export interface RegistrySettings {
  /** Hosts, with or without a port, and networks as `10.0.0.0/8`, whose certificates are not checked; HTTP is tried there. */
  readonly insecure: readonly string[];
  /** URLs that are asked before Docker's own registry. */
  readonly mirrors: readonly string[];
  /** Tries of one request, or of one download without any progress. */
  readonly attempts: number;
  /** '' for none. */
  readonly httpProxy: string;
  readonly httpsProxy: string;
  readonly noProxy: string;
  /** Directories with `HOST/ca.crt`, `HOST/client.cert` and `HOST/client.key`; the first that has HOST counts. */
  readonly certDirs: readonly string[];
  readonly userAgent: string;
  /** A connection that moves no byte for so long is given up. */
  readonly stallMs: number;
  /** Pause before the second try, doubled before each further one. */
  readonly backoffMs: number;
}

/** Docker's own registry is known by another name than the one it answers at. */
const DOCKER_DOMAIN = 'docker.io';
const DOCKER_HOST = 'registry-1.docker.io';
const DOCKER_ALIASES = [DOCKER_DOMAIN, 'index.docker.io', DOCKER_HOST];

/** A place where a registry's API may answer. */
export interface Endpoint {
  readonly base: URL;
  readonly isMirror: boolean;
}

/** In the order in which they are to be tried. `domain`: as image names have it, `docker.io` or `host:5000`. */
export async function endpointsFor(
  domain: string,
  purpose: 'pull' | 'push',
  settings: RegistrySettings,
): Promise<readonly Endpoint[]> {
  const isDocker = DOCKER_ALIASES.includes(domain);
  const host = isDocker ? DOCKER_HOST : domain;
  const mirrors = isDocker && purpose === 'pull' ? settings.mirrors : [];
  const insecure = await isInsecure(host, settings);
  const own = insecure ? [`https://${host}`, `http://${host}`] : [`https://${host}`];
  return [
    ...mirrors.map((url) => ({ base: new URL(url), isMirror: true })),
    ...own.map((url) => ({ base: new URL(url), isMirror: false })),
  ];
}

/** `host`: with its port, if it has one. */
export async function isInsecure(host: string, { insecure }: RegistrySettings): Promise<boolean> {
  const { hostname } = new URL(`http://${host}`);
  const bare = hostname.replace(/^\[|\]$/g, '');
  if (insecure.includes(host) || insecure.includes(bare) || bare === 'localhost') return true;
  const networks = insecure.filter((one) => one.includes('/'));
  const addresses = isIP(bare) || networks.length === 0 ? [bare] : await addressesOf(bare);
  const list = networkList(['127.0.0.0/8', '::1/128', ...networks]);
  return addresses.some((address) => isIP(address) > 0 && list.check(address, familyOf(address)));
}

async function addressesOf(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true }).catch(() => []);
  return found.map(({ address }) => address);
}

function networkList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    if (isIP(address)) list.addSubnet(address, Number(bits), familyOf(address));
  }
  return list;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}
