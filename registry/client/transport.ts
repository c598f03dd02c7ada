/**
 * HTTP to registries and to where they send us: connections kept for one session, TLS by host, redirects, and an end to
 * every silence. Credentials go to the host they are for and to no other.
 */
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { pipeline, type Readable } from 'node:stream';
import { isHostError } from '@gantry/plugin-sdk/errors.ts';
import { secureContextFor } from './certificates.ts';
import { badAnswer, unreachable } from './failure.ts';
import { isInsecure, type RegistrySettings } from './settings.ts';

export interface Ask {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Value of the Authorization header, for this host alone. */
  readonly authorization?: string | undefined;
  readonly body?: AskBody | undefined;
  readonly signal: AbortSignal;
}

export interface AskBody {
  readonly sizeBytes: number;
  /** Called once a try. */
  open(): Buffer | Readable;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** To be read to its end, or destroyed. */
  readonly body: IncomingMessage;
  /** Where it came from in the end. */
  readonly url: URL;
}

const MAX_REDIRECTS = 10;
const REDIRECTS = [301, 302, 303, 307, 308];
/** Answers that say something, not those that carry content. */
const MAX_WORDS_BYTES = 8 << 20;

export class Transport {
  readonly #settings: RegistrySettings;
  readonly #agents = new Map<string, Promise<http.Agent>>();

  constructor(settings: RegistrySettings) {
    this.#settings = settings;
  }

  /** Follows redirects. Errors: Unavailable when there is no answer, Canceled. */
  async send(ask: Ask): Promise<Answer> {
    let { url, authorization } = ask;
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#sendOnce({ ...ask, url, authorization });
      const { location } = answer.headers;
      if (!REDIRECTS.includes(answer.status) || location === undefined || ask.method === 'POST')
        return answer;
      answer.body.resume();
      if (redirects === MAX_REDIRECTS) throw badAnswer(`${ask.method} ${url.origin}`, 'too many redirects');
      const next = locationIn(answer, location);
      if (next.origin !== url.origin) authorization = undefined;
      url = next;
    }
  }

  /** Ends the connections that are kept. */
  async close(): Promise<void> {
    for (const agent of await Promise.allSettled(this.#agents.values())) {
      if (agent.status === 'fulfilled') agent.value.destroy();
    }
    this.#agents.clear();
  }

  async #sendOnce({ method, url, headers, authorization, body, signal }: Ask): Promise<Answer> {
    signal.throwIfAborted();
    const what = `${method} ${url.origin}${url.pathname}`; // a query may hold a secret
    const agent = await this.#agentFor(url);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const request = (url.protocol === 'https:' ? https : http).request(url, {
      method,
      agent,
      signal,
      headers: {
        'User-Agent': this.#settings.userAgent,
        ...headers,
        ...(authorization && { Authorization: authorization }),
        ...(body && { 'Content-Length': body.sizeBytes }),
      },
    });
    const { stallMs } = this.#settings;
    request.setTimeout(stallMs, () => request.destroy(unreachable(what, `no byte for ${stallMs / 1000} s`)));
    request.once('response', (answer) =>
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer, url }),
    );
    request.on('error', (error) =>
      reject(signal.aborted || isHostError(error) ? error : unreachable(what, error)),
    );
    give(request, body);
    return promise;
  }

  #agentFor(url: URL): Promise<http.Agent> {
    const known = this.#agents.get(url.origin);
    if (known) return known;
    const made = this.#makeAgent(url);
    this.#agents.set(url.origin, made);
    return made;
  }

  async #makeAgent(url: URL): Promise<http.Agent> {
    const { httpProxy, httpsProxy, noProxy, certDirs } = this.#settings;
    const proxyEnv = {
      ...(httpProxy && { HTTP_PROXY: httpProxy }),
      ...(httpsProxy && { HTTPS_PROXY: httpsProxy }),
      ...(noProxy && { NO_PROXY: noProxy }),
    };
    const shared = { keepAlive: true, ...(httpProxy || httpsProxy ? { proxyEnv } : {}) };
    if (url.protocol !== 'https:') return new http.Agent(shared);
    return new https.Agent({
      ...shared,
      secureContext: await secureContextFor(url.host, certDirs),
      rejectUnauthorized: !(await isInsecure(url.host, this.#settings)),
    });
  }
}

/** A registry may answer before it has read all, and the rest is then of no use. */
function give(request: http.ClientRequest, body: AskBody | undefined): void {
  const content = body?.open();
  if (content === undefined || Buffer.isBuffer(content)) request.end(content);
  else pipeline(content, request, () => {});
}

/** Errors: Unknown for a Location that is none, or that is not HTTP. */
export function locationIn({ url }: Pick<Answer, 'url'>, location: string): URL {
  const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
  if (next && /^https?:$/.test(next.protocol)) return next;
  throw badAnswer(`answer of ${url.origin}`, 'its Location is no address');
}

/** The whole body of a short answer. Errors: Unavailable, Unknown when it is too long. */
export async function readAnswer({ body, url }: Answer, maxBytes = MAX_WORDS_BYTES): Promise<Buffer> {
  const what = `read the answer of ${url.origin}${url.pathname}`;
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw badAnswer(what, `more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw isHostError(error) || (error as Error).name === 'AbortError' ? error : unreachable(what, error);
  }
  return Buffer.concat(chunks);
}
