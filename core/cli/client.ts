/** Asks the daemon: JSON over its API. Whatever goes wrong is a HostError that says what to do. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { HostError } from '@gantry/plugin-sdk/errors.ts';

type Where = { readonly socketPath: string } | { readonly host: string; readonly port: string };

export class Client {
  readonly #address: string;
  readonly #where: Where;

  /** `address`: `unix://PATH` or `tcp://HOST:PORT`. Throws InvalidArgument with code USAGE for any other. */
  constructor(address: string) {
    this.#address = address;
    this.#where = parseAddress(address);
  }

  get(path: string, options: { readonly signal?: AbortSignal } = {}): Promise<unknown> {
    return this.request('GET', path, options);
  }

  /** Answers the parsed body. Errors: Unavailable (nobody answers there), Unknown (the daemon's own words). */
  async request(
    method: 'GET' | 'POST',
    path: string,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<unknown> {
    const response = await this.#send(method, path, options);
    const body = parse(await textOf(response));
    if ((response.statusCode ?? 0) >= 400) throw this.#refused(`${method} ${path}`, response, body);
    return body;
  }

  /** The lines of an answer as they come. Errors: as of `request`; what breaks later ends it with Unavailable. */
  async *lines(path: string): AsyncGenerator<string> {
    const response = await this.#send('GET', path);
    if ((response.statusCode ?? 0) >= 400) {
      throw this.#refused(`GET ${path}`, response, parse(await textOf(response)));
    }
    let rest = '';
    response.setEncoding('utf8');
    try {
      for await (const chunk of response) {
        const lines = `${rest}${chunk}`.split('\n');
        rest = lines.pop() ?? '';
        yield* lines;
      }
    } catch (cause) {
      throw new HostError('Unavailable', 'DAEMON_UNREACHABLE', `the daemon at ${this.#address} has gone`, {
        cause,
      });
    }
  }

  #refused(asked: string, { statusCode = 0 }: IncomingMessage, body: unknown): HostError {
    const message = (body as { message?: unknown } | undefined)?.message;
    if (statusCode === 404 && message === 'page not found') return this.#stranger();
    return new HostError('Unknown', 'DAEMON_REFUSED', String(message ?? `${asked}: status ${statusCode}`));
  }

  async #send(
    method: string,
    path: string,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const outgoing = httpRequest({ ...this.#where, ...options, method, path, agent: false });
    outgoing.once('response', resolve).once('error', reject);
    outgoing.end();
    try {
      return await promise;
    } catch (cause) {
      throw new HostError('Unavailable', 'DAEMON_UNREACHABLE', `no daemon answers at ${this.#address}`, {
        cause,
        hint: 'start one with gantryd, or name another with -H or GANTRY_HOST',
      });
    }
  }

  #stranger(): HostError {
    return new HostError('FailedPrecondition', 'NOT_GANTRY', `the daemon at ${this.#address} is not Gantry`, {
      hint: 'name a Gantry daemon with -H or GANTRY_HOST',
    });
  }
}

function parseAddress(address: string): Where {
  if (address.startsWith('unix://')) return { socketPath: address.slice('unix://'.length) };
  const [, host, port] = /^(?:tcp|http):\/\/(?:\[?([^\]/]+?)\]?):(\d+)\/?$/.exec(address) ?? [];
  if (host !== undefined && port !== undefined) return { host, port };
  throw new HostError('InvalidArgument', 'USAGE', `cannot ask a daemon at "${address}"`, {
    hint: 'say unix://PATH or tcp://HOST:PORT',
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += chunk;
  return text;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
