/**
 * One repository of one registry for the length of one piece of work: which endpoint answers is found out at the first
 * request, who one is said when it is asked for. `close` ends its connections.
 */
import { asHostError, HostError, isHostError } from '@gantry/plugin-sdk/errors.ts';
import { badAnswer, forGood, registryFailure } from './failure.ts';
import {
  type Descriptor,
  INDEX_TYPES,
  MANIFEST_TYPES,
  type ManifestDocument,
  parseManifest,
  sha256,
} from './manifest.ts';
import { withRetries } from './retry.ts';
import { type Endpoint, endpointsFor, type RegistrySettings } from './settings.ts';
import { Authorizer, type Credentials } from './tokens.ts';
import { type Answer, type Ask, readAnswer, Transport } from './transport.ts';

export interface RepositoryName {
  /** `docker.io`, `host:5000`. */
  readonly domain: string;
  /** `library/busybox`. */
  readonly path: string;
}

export interface RepositoryOptions extends RepositoryName {
  readonly purpose: 'pull' | 'push';
  readonly credentials?: Credentials | undefined;
  readonly settings: RegistrySettings;
  /** Repositories of the same registry to read from as well, for mounts. */
  readonly readsFrom?: readonly string[];
}

/** A request of this repository: `url` is `manifests/latest`, or an address that the registry gave. */
export interface RepositoryAsk extends Omit<Ask, 'url' | 'authorization'> {
  readonly url: string | URL;
  /** For messages: `pull manifest`. */
  readonly what: string;
  /** Statuses that are an answer; any other is an error. */
  readonly expect: readonly number[];
}

const MAX_MANIFEST_BYTES = 4 << 20;

export class Repository implements AsyncDisposable {
  readonly path: string;
  readonly settings: RegistrySettings;
  readonly #options: RepositoryOptions;
  readonly #transport: Transport;
  readonly #scopes: readonly string[];
  #chosen: Promise<{ endpoint: Endpoint; authorizer: Authorizer }> | undefined;
  readonly #passedOver = new Set<string>();
  #users = 1;

  constructor(options: RepositoryOptions) {
    this.path = options.path;
    this.settings = options.settings;
    this.#options = options;
    this.#transport = new Transport(options.settings);
    const scope = (path: string, actions: string) => `repository:${path}:${actions}`;
    this.#scopes = [
      scope(options.path, options.purpose === 'push' ? 'pull,push' : 'pull'),
      ...(options.readsFrom ?? []).map((path) => scope(path, 'pull')),
    ];
  }

  /**
   * A manifest or an index by tag or digest; a digest is verified. Errors: NotFound, Unauthenticated, PermissionDenied,
   * Unavailable, Unknown.
   */
  async manifest(reference: string, signal: AbortSignal): Promise<ManifestDocument> {
    return this.#fromMirrorsToo(signal, async () => {
      const answer = await this.ask({
        what: `pull manifest ${reference}`,
        method: 'GET',
        url: `manifests/${reference}`,
        headers: { Accept: [...MANIFEST_TYPES, ...INDEX_TYPES].join(', ') },
        expect: [200],
        signal,
      });
      const bytes = await readAnswer(answer, MAX_MANIFEST_BYTES);
      const digest = sha256(bytes);
      const promised = reference.includes(':') ? reference : answer.headers['docker-content-digest'];
      if (typeof promised === 'string' && promised.startsWith('sha256:') && promised !== digest) {
        throw new HostError(
          'InvalidArgument',
          'DIGEST_MISMATCH',
          `pull manifest ${reference}: digest is ${digest}, expected ${promised}`,
        );
      }
      return { mediaType: answer.headers['content-type']?.split(';', 1)[0]?.trim() ?? '', digest, bytes };
    });
  }

  /** The configuration that a manifest names. */
  async configOf(manifest: ManifestDocument, signal: AbortSignal): Promise<Buffer> {
    return this.document(parseManifest(manifest).config, signal);
  }

  /** A document that others name, e.g. a configuration; verified. */
  async document({ digest, sizeBytes }: Descriptor, signal: AbortSignal): Promise<Buffer> {
    const what = `pull ${digest}`;
    const bytes = await this.#retried(signal, async () => {
      const answer = await this.ask({ what, method: 'GET', url: `blobs/${digest}`, expect: [200], signal });
      return readAnswer(answer);
    });
    if (bytes.length !== sizeBytes || sha256(bytes) !== digest) {
      throw new HostError(
        'InvalidArgument',
        'DIGEST_MISMATCH',
        `${what}: got ${bytes.length} bytes with digest ${sha256(bytes)}, expected ${sizeBytes}`,
      );
    }
    return bytes;
  }

  /** Every tag, in the registry's order. */
  async tags(signal: AbortSignal): Promise<readonly string[]> {
    const tags: string[] = [];
    for (let url: string | URL | undefined = 'tags/list'; url !== undefined; ) {
      const at: string | URL = url;
      const answer: Answer = await this.#retried(signal, () =>
        this.ask({ what: 'list tags', method: 'GET', url: at, expect: [200], signal }),
      );
      const body = JSON.parse((await readAnswer(answer)).toString('utf8')) as { tags?: unknown };
      if (Array.isArray(body.tags)) tags.push(...body.tags.filter((tag) => typeof tag === 'string'));
      const next: string | undefined = /<([^>]+)>\s*;\s*rel="?next"?/.exec(
        String(answer.headers.link ?? ''),
      )?.[1];
      url = next === undefined ? undefined : new URL(next, answer.url);
    }
    return tags;
  }

  /** One request, authorized; not tried again. The caller reads the answer's body, or drops it. */
  async ask({ what, url, expect, ...ask }: RepositoryAsk): Promise<Answer> {
    const { endpoint, authorizer } = await this.#endpoint(ask.signal);
    const whole = typeof url === 'string' ? new URL(`/v2/${this.path}/${url}`, endpoint.base) : url;
    const isOwn = whole.origin === endpoint.base.origin;
    for (let tries = 1; ; tries++) {
      const authorization = isOwn ? await authorizer.header(this.#scopes, ask.signal) : undefined;
      const answer = await this.#transport.send({ ...ask, url: whole, authorization });
      if (expect.includes(answer.status)) return answer;
      const body = await readAnswer(answer);
      const isAsked = tries === 1 && answer.status === 401 && answer.url.origin === endpoint.base.origin;
      if (isAsked && authorizer.accept(answer.headers['www-authenticate'], endpoint.base, this.#scopes))
        continue;
      throw registryFailure(what, answer, body);
    }
  }

  /** Whether the registry lets these credentials in; answers what may be kept instead of the password. */
  async login(signal: AbortSignal): Promise<string> {
    const { endpoint, authorizer } = await this.#endpoint(signal);
    const authorization = await authorizer.header([], signal);
    const url = new URL('/v2/', endpoint.base);
    const answer = await this.#transport.send({ method: 'GET', url, authorization, signal });
    const body = await readAnswer(answer);
    if (answer.status === 200) return authorizer.identityToken;
    throw registryFailure(`log in to ${endpoint.base.host}`, answer, body);
  }

  /** Asks a mirror that turned out to lack something, or to be ill, no more; false when it was none. */
  async leaveMirror(): Promise<boolean> {
    const endpoint = (await this.#chosen?.catch(() => undefined))?.endpoint;
    if (!endpoint?.isMirror) return false;
    this.#passedOver.add(endpoint.base.href);
    this.#chosen = undefined;
    return true;
  }

  /** Host of the endpoint that answers. */
  async host(signal: AbortSignal): Promise<string> {
    return (await this.#endpoint(signal)).endpoint.base.host;
  }

  /** Keeps the connections beyond the disposal, until what this answers is called. */
  retain(): () => void {
    this.#users += 1;
    return () => void this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#users -= 1;
    if (this.#users === 0) await this.#transport.close();
  }

  #retried<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const { attempts, backoffMs } = this.settings;
    return withRetries({ attempts, backoffMs, signal }, work);
  }

  /** A mirror that lacks it, or that is ill, is passed over for the rest of the work. */
  async #fromMirrorsToo<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await this.#retried(signal, work);
      } catch (error) {
        if (signal.aborted || !(await this.leaveMirror())) throw error;
      }
    }
  }

  #endpoint(signal: AbortSignal) {
    this.#chosen ??= this.#choose(signal).catch((error: unknown) => {
      this.#chosen = undefined;
      throw error;
    });
    return this.#chosen;
  }

  async #choose(signal: AbortSignal) {
    const { domain, purpose, settings } = this.#options;
    const endpoints = await endpointsFor(domain, purpose, settings);
    const failures: HostError[] = [];
    for (const endpoint of endpoints.filter(({ base }) => !this.#passedOver.has(base.href))) {
      try {
        return await this.#try(endpoint, signal);
      } catch (error) {
        signal.throwIfAborted();
        failures.push(asHostError(error));
      }
    }
    // Of the two ways to an insecure one, the reason is that of the safe one, unless nobody speaks TLS there.
    throw failures.find((one) => !isNoTls(one)) ?? failures[0] ?? badAnswer(domain, 'no endpoint');
  }

  /** Asks for the API's root, which says whether it is there and who has to log in. */
  async #try(endpoint: Endpoint, signal: AbortSignal) {
    const credentials = endpoint.isMirror ? {} : (this.#options.credentials ?? {});
    const authorizer = new Authorizer(this.#transport, credentials);
    const url = new URL('/v2/', endpoint.base);
    const { attempts, backoffMs } = this.settings;
    const answer = await withRetries({ attempts, backoffMs, signal }, async () => {
      const answer = await this.#transport.send({ method: 'GET', url, signal }).catch(asForGood);
      const body = await readAnswer(answer);
      if (answer.status < 500 && answer.status !== 429) return answer;
      throw registryFailure(`ask ${url.href}`, answer, body);
    });
    if (answer.status === 401) authorizer.accept(answer.headers['www-authenticate'], endpoint.base, []);
    return { endpoint, authorizer };
  }
}

function isNoTls({ details, message }: HostError): boolean {
  return details.errno === 'EPROTO' || /wrong version number|packet length too long/.test(message);
}

/** Nobody listens there, or shows a certificate that is none: another endpoint may be the right one, a later try is not. */
function asForGood(error: unknown): never {
  const errno = isHostError(error) ? String(error.details.errno ?? '') : '';
  if (!isHostError(error) || !FOR_GOOD.test(errno)) throw error;
  throw forGood(error);
}

const FOR_GOOD =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EPROTO|EHOSTUNREACH|ENETUNREACH|ERR_TLS|ERR_SSL|UNABLE_TO|.*CERT)/;
