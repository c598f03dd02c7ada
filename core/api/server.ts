/**
 * Mounts the route table on express and serves it on any number of listeners. Knows versions, hijacking and errors;
 * knows no resource.
 */
import http, { type IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { Logger } from '@gantry/plugin-sdk/extension-point.ts';
import express, { type Express, type Request, type Response } from 'express';
import { readJson } from './body.ts';
import { toErrorAnswer } from './errors.ts';
import { hijackOf, markUpgrade } from './hijack.ts';
import { type Call, Query, type Row } from './route.ts';
import { checkApi, compareApi, NEWEST_API } from './version.ts';
import { downgrade, upgrade } from './versions/chain.ts';

const VERSION_PREFIX = /^\/v(\d+\.\d+)(?=\/|$)/;

/** Docker's clients keep connections for long and send large headers; Node's defaults would cut both off. */
const HTTP_OPTIONS = {
  keepAliveTimeout: 180_000,
  requestTimeout: 0,
  headersTimeout: 60_000,
  maxHeaderSize: 1 << 20,
};

export interface ApiOptions {
  readonly rows: readonly Row[];
  readonly headers: Readonly<Record<string, string>>;
  readonly log: Logger;
}

export class ApiServer {
  readonly #app: Express;
  readonly #log: Logger;
  readonly #servers: http.Server[] = [];

  constructor({ rows, headers, log }: ApiOptions) {
    this.#log = log;
    this.#app = express();
    this.#app.disable('x-powered-by').disable('etag');
    this.#app.set('query parser', false);
    this.#app.use((req, res, next) => {
      res.set(headers);
      takeVersion(req, res);
      next();
    });
    for (const row of rows) this.#mount(row);
    this.#app.use((req: Request) => {
      throw new HostError('NotFound', 'PAGE_NOT_FOUND', 'page not found', { details: { path: req.path } });
    });
    this.#app.use((error: unknown, _req: Request, res: Response, _next: () => void) =>
      this.#fail(res, error),
    );
  }

  /** A server with the table on it; the caller decides what it listens on. `tls` makes it HTTPS. */
  create(tls?: https.ServerOptions): http.Server {
    const server = tls ? https.createServer({ ...tls, ...HTTP_OPTIONS }) : http.createServer(HTTP_OPTIONS);
    // A client that has sent all its stdin half-closes; the output must go on.
    Reflect.set(server, 'httpAllowHalfOpen', true);
    Reflect.set(server, 'allowHalfOpen', true);
    server.on('request', (req, res) => this.#app(req, res));
    server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
      const res = new ServerResponse(req);
      res.assignSocket(socket as import('node:net').Socket);
      markUpgrade(req, head);
      this.#app(req, res);
    });
    this.#servers.push(server);
    return server;
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#servers.map((server) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        server.close(() => resolve());
        server.closeAllConnections();
        return promise;
      }),
    );
  }

  #mount(row: Row): void {
    const method = row.method.toLowerCase() as 'get';
    this.#app[method](row.path, async (req: Request, res: Response) => {
      const version = res.locals.version as string;
      if (outside(row, version)) {
        throw new HostError('NotFound', 'PAGE_NOT_FOUND', 'page not found', { details: { path: req.path } });
      }
      await this.#run(row, version, req, res);
    });
  }

  async #run(row: Row, version: string, req: Request, res: Response): Promise<void> {
    const gone = new AbortController();
    res.on('close', () => res.writableFinished || gone.abort());
    const takesBody = row.kind === 'json' || row.kind === 'stream';
    const call: Call = {
      version,
      params: paramsOf(req),
      query: new Query(req.originalUrl),
      body: takesBody && row.method !== 'GET' ? upgrade(row.name, version, await readJson(req)) : undefined,
      req,
      res,
      signal: gone.signal,
      hijack: (contentType) => hijackOf(req, res, contentType),
    };
    const answer = await row.handler(call);
    if (!answer || res.headersSent) return;
    res.status(answer.status ?? 200).set(answer.headers ?? {});
    if (answer.body === undefined) res.end();
    else sendJson(res, downgrade(row.name, version, answer.body));
  }

  #fail(res: Response, error: unknown): void {
    // `%zz` in a path: express's own URIError, which would answer HTML.
    const thrown =
      error instanceof URIError ? new HostError('InvalidArgument', 'INVALID_PATH', error.message) : error;
    const { status, body } = toErrorAnswer(thrown);
    if (status === 500) this.#log.error({ error: thrown }, 'request failed');
    if (res.headersSent || !res.socket) {
      res.destroy();
      return;
    }
    sendJson(res.status(status), body);
  }
}

/** Without a charset, which `res.json` would add: the docker command compares the whole header. */
function sendJson(res: Response, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`;
  res.setHeader('Content-Type', 'application/json');
  res.setHeader('Content-Length', Buffer.byteLength(text));
  res.end(text); // as text it leaves in one write with the head
}

/** Strips `/v1.41` from the path and remembers it; a path without a version means the newest. */
function takeVersion(req: Request, res: Response): void {
  const version = VERSION_PREFIX.exec(req.url)?.[1];
  res.locals.version = version ?? NEWEST_API;
  if (version === undefined) return;
  checkApi(version);
  req.url = req.url.slice(version.length + 2) || '/';
}

function outside(row: Row, version: string): boolean {
  return (
    (row.since !== undefined && compareApi(version, row.since) < 0) ||
    (row.until !== undefined && compareApi(version, row.until) > 0)
  );
}

/** Express gives a `*name` parameter as an array of segments. */
function paramsOf(req: Request): Readonly<Record<string, string>> {
  const params: Record<string, string> = {};
  for (const name in req.params) {
    const value = req.params[name];
    params[name] = Array.isArray(value) ? value.join('/') : String(value);
  }
  return params;
}
