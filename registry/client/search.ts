/** `docker search`: the index of version 1 of the registry API, which only Docker's own hub and some products have. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { badAnswer, registryFailure } from './failure.ts';
import { withRetries } from './retry.ts';
import { endpointsFor, type RegistrySettings } from './settings.ts';
import type { Credentials } from './tokens.ts';
import { readAnswer, Transport } from './transport.ts';

export interface SearchResult {
  readonly name: string;
  readonly description: string;
  readonly stars: number;
  readonly isOfficial: boolean;
}

/** Docker's hub has its index at another host than its registry. */
const HUB_INDEX = 'index.docker.io';

/** Errors: Unavailable, NotImplemented when the registry has no search. */
export async function searchIndex(
  domain: string,
  term: string,
  limit: number,
  {
    settings,
    credentials = {},
    signal,
  }: {
    settings: RegistrySettings;
    credentials?: Credentials | undefined;
    signal: AbortSignal;
  },
): Promise<readonly SearchResult[]> {
  const endpoints = await endpointsFor(domain === 'docker.io' ? `${HUB_INDEX}` : domain, 'push', settings);
  const transport = new Transport(settings);
  try {
    const failures: unknown[] = [];
    for (const { base } of endpoints) {
      const origin = domain === 'docker.io' ? new URL(`https://${HUB_INDEX}`) : base;
      try {
        return await searchAt(transport, origin, term, limit, { settings, credentials, signal });
      } catch (error) {
        signal.throwIfAborted();
        failures.push(error);
      }
    }
    throw failures.at(-1);
  } finally {
    await transport.close();
  }
}

async function searchAt(
  transport: Transport,
  base: URL,
  term: string,
  limit: number,
  {
    settings,
    credentials,
    signal,
  }: { settings: RegistrySettings; credentials: Credentials; signal: AbortSignal },
): Promise<readonly SearchResult[]> {
  const url = new URL('/v1/search', base);
  url.searchParams.set('q', term);
  url.searchParams.set('n', String(limit));
  const { username, password = '' } = credentials;
  const authorization = username
    ? `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
    : undefined;
  const rules = { attempts: Math.min(settings.attempts, 2), backoffMs: settings.backoffMs, signal };
  const answer = await withRetries(rules, () =>
    transport.send({ method: 'GET', url, authorization, signal }),
  );
  const body = await readAnswer(answer);
  if (answer.status === 404) {
    throw new HostError('NotImplemented', 'SEARCH_UNSUPPORTED', `search at ${base.host}: it has no search`);
  }
  if (answer.status !== 200) throw registryFailure(`search at ${base.host}`, answer, body);
  return resultsIn(base, body);
}

function resultsIn(base: URL, body: Buffer): readonly SearchResult[] {
  let value: { results?: unknown };
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw badAnswer(`search at ${base.host}`, 'the answer is not JSON');
  }
  const rows = Array.isArray(value.results) ? (value.results as Readonly<Record<string, unknown>>[]) : [];
  return rows.map(({ name, description, star_count: stars, is_official: official }) => ({
    name: String(name ?? ''),
    description: String(description ?? ''),
    stars: Number(stars ?? 0) || 0,
    isOfficial: official === true,
  }));
}
