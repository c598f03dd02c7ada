/**
 * Says who one is to a registry, in the way its challenge asks for. Bearer tokens are kept by scope until shortly before
 * they end. Source: distribution, "Token Authentication Specification" and its OAuth2 form.
 */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import { badAnswer, registryFailure } from './failure.ts';
import { readAnswer, type Transport } from './transport.ts';

export interface Credentials {
  readonly username?: string;
  readonly password?: string;
  /** A refresh token that an earlier login gave instead of the password. */
  readonly identityToken?: string;
  /** A bearer token, taken as it is. */
  readonly registryToken?: string;
}

interface Token {
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly until: number;
}

const CLIENT_ID = 'gantry';
/** A token without a stated life has this one. */
const DEFAULT_LIFE_S = 60;
const MARGIN_MS = 10_000;

export class Authorizer {
  readonly #transport: Transport;
  readonly #credentials: Credentials;
  readonly #tokens = new Map<string, Token>();
  #challenge: Challenge | undefined;
  /** What a login may keep instead of the password. */
  identityToken = '';

  constructor(transport: Transport, credentials: Credentials) {
    this.#transport = transport;
    this.#credentials = credentials;
  }

  /** Value of the Authorization header; undefined while the registry has asked for none. */
  async header(scopes: readonly string[], signal: AbortSignal): Promise<string | undefined> {
    if (!this.#challenge) return undefined;
    if (this.#challenge.scheme === 'basic') return this.#basic();
    const key = scopes.join(' ');
    const known = this.#tokens.get(key);
    if (known && known.until > Date.now() + MARGIN_MS) return `Bearer ${known.text}`;
    const token = await this.#fetch(this.#challenge, scopes, signal);
    this.#tokens.set(key, token);
    return `Bearer ${token.text}`;
  }

  /** Takes a refusal's challenge in; false when there is no answer to it, or it was answered already. */
  accept(header: string | undefined, origin: URL, scopes: readonly string[]): boolean {
    const challenges = parseChallenges(header ?? '');
    const bearer = challenges.find(
      ({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'),
    );
    const basic = challenges.find(({ scheme }) => scheme === 'basic');
    const chosen = bearer ?? (this.#basic() ? basic : undefined);
    if (!chosen) return false;
    if (bearer) checkRealm(bearer, origin);
    // A token that was refused before its time is asked for anew; a password is not better the second time.
    const isNew = this.#challenge === undefined || this.#tokens.delete(scopes.join(' '));
    this.#challenge = chosen;
    return isNew;
  }

  #basic(): string | undefined {
    const { username, password = '' } = this.#credentials;
    return username ? `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` : undefined;
  }

  async #fetch({ parameters }: Challenge, scopes: readonly string[], signal: AbortSignal): Promise<Token> {
    const { registryToken, identityToken } = this.#credentials;
    if (registryToken) return { text: registryToken, until: Number.POSITIVE_INFINITY };
    const realm = new URL(parameters.get('realm') ?? '');
    const service = parameters.get('service') ?? '';
    const asked = identityToken
      ? this.#byRefreshToken(realm, service, scopes, identityToken, signal)
      : this.#byPassword(realm, service, scopes, signal);
    const answer = await asked;
    const body = await readAnswer(answer);
    const what = `get a token of ${realm.origin}${realm.pathname}`;
    if (answer.status !== 200) throw registryFailure(what, answer, body);
    return this.#tokenIn(what, body);
  }

  #byPassword(realm: URL, service: string, scopes: readonly string[], signal: AbortSignal) {
    const url = new URL(realm);
    if (service) url.searchParams.set('service', service);
    for (const scope of scopes) url.searchParams.append('scope', scope);
    const { username } = this.#credentials;
    if (username) {
      url.searchParams.set('account', username);
      url.searchParams.set('client_id', CLIENT_ID);
      url.searchParams.set('offline_token', 'true');
    }
    return this.#transport.send({ method: 'GET', url, authorization: this.#basic(), signal });
  }

  #byRefreshToken(
    url: URL,
    service: string,
    scopes: readonly string[],
    refreshToken: string,
    signal: AbortSignal,
  ) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      service,
      client_id: CLIENT_ID,
      refresh_token: refreshToken,
      scope: scopes.join(' '),
    });
    const bytes = Buffer.from(form.toString());
    return this.#transport.send({
      method: 'POST',
      url,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: { sizeBytes: bytes.length, open: () => bytes },
      signal,
    });
  }

  #tokenIn(what: string, body: Buffer): Token {
    let value: Readonly<Record<string, unknown>>;
    try {
      value = JSON.parse(body.toString('utf8'));
    } catch {
      throw badAnswer(what, 'the answer is not JSON');
    }
    const text = value.token || value.access_token;
    if (typeof text !== 'string') throw badAnswer(what, 'the answer has no token');
    if (typeof value.refresh_token === 'string') this.identityToken = value.refresh_token;
    const life = typeof value.expires_in === 'number' ? value.expires_in : 0;
    // Counted from now: the clock that `issued_at` is of may be another.
    return { text, until: Date.now() + Math.max(life, DEFAULT_LIFE_S) * 1000 };
  }
}

/** A registry reached safely has no business to ask for the password over an open line. */
function checkRealm({ parameters }: Challenge, origin: URL): void {
  const realm = parameters.get('realm') ?? '';
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (url && (url.protocol === 'https:' || (url.protocol === 'http:' && origin.protocol === 'http:'))) return;
  throw new HostError(
    'PermissionDenied',
    'REGISTRY_REALM_REFUSED',
    `log in to ${origin.host}: it wants a token of "${realm.split('?', 1)[0]}", which is no safe address`,
  );
}
