/** What the single words of options must be. Each throws InvalidArgument with the fault alone. */
import { isIP } from 'node:net';
import { fault } from './types.ts';

export function isLabel(text: string): void {
  if (!/^[^=]+=/.test(text)) throw fault(`bad attribute format: ${text}: KEY=VALUE is expected`);
}

export function isAddress(text: string): void {
  if (isIP(text) === 0) throw fault(`${text} is not an ip address`);
}

/** As Docker: a bare URL of a host, for what comes behind it is the registry's own. */
export function isMirror(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw fault(`invalid mirror: "${text}" is not a URL of http or https`);
  }
  if (url.search !== '' || url.hash !== '' || !['', '/'].includes(url.pathname)) {
    throw fault(`invalid mirror: path, query, or fragment at end of the URI "${text}"`);
  }
  if (url.username !== '' || url.password !== '') {
    throw fault('invalid mirror: username/password not allowed in URI');
  }
}
