/** Where a plugin is reached, as its socket, `.spec` or `.json` file says. */
import { fieldOf } from '@gantry/plugin-sdk/wire/read.ts';

export interface PluginTls {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly serverName?: string;
  /** False: any certificate will do, as in Docker when no authority is named. */
  readonly verify: boolean;
}

export type PluginAddress = {
  /** As shown to people. */
  readonly url: string;
  /** The `Host` header, as Docker sends it. */
  readonly hostHeader: string;
} & (
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'tls'; readonly host: string; readonly port: number; readonly tls: PluginTls }
);

const UNIX_HOST_HEADER = 'plugin.moby.localhost';

export function unixAddress(path: string): PluginAddress {
  return { kind: 'unix', path, url: `unix://${path}`, hostHeader: UNIX_HOST_HEADER };
}

/** A `.spec` file: one URL. Throws Error saying what was expected. */
export function parseSpec(text: string): PluginAddress {
  return parseAddress(text.trim(), { verify: false });
}

/** A `.json` file: `Addr` and `TLSConfig`, names in any case. Throws Error saying what was expected. */
export function parseJsonSpec(text: string): PluginAddress {
  const json: unknown = JSON.parse(text);
  const address = fieldOf(json, 'Addr');
  if (typeof address !== 'string') throw new Error('expected a URL in Addr');
  return parseAddress(address, parseTls(fieldOf(json, 'TLSConfig')));
}

function parseTls(json: unknown): PluginTls {
  if (json === undefined) return { verify: true };
  const text = (name: string): string | undefined => {
    const value = fieldOf(json, name);
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const [caFile, certFile, keyFile] = ['CAFile', 'CertFile', 'KeyFile'].map(text);
  return {
    ...(caFile && { caFile }),
    ...(certFile && { certFile }),
    ...(keyFile && { keyFile }),
    verify: caFile !== undefined && fieldOf(json, 'InsecureSkipVerify') !== true,
  };
}

/** TLS only for `https`; `unix` and a URL without a host are sockets; every other scheme is HTTP over TCP. */
function parseAddress(text: string, tls: PluginTls): PluginAddress {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text) || !URL.canParse(text)) {
    throw new Error(`expected a URL with a scheme, found ${JSON.stringify(text.slice(0, 100))}`);
  }
  const url = new URL(text);
  if (url.protocol === 'unix:' || url.host === '')
    return unixAddress(decodeURIComponent(url.host + url.pathname));
  const secure = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
  const shared = { url: text, hostHeader: url.host, host, port };
  return secure ? { kind: 'tls', tls, ...shared } : { kind: 'tcp', ...shared };
}
