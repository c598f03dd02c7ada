/**
 * Mounts the route table on express's router and serves it on any number of listeners. Knows versions, hijacking and
 * errors; knows no resource. The router goes without an express application, which gives each request and answer another
 * prototype, and none of whose methods are used here.
 */
import http, { type IncomingMessage, ServerResponse } from 'node:http';
import type https from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { HostError, isHostError, isKind } from '@gantry/plugin-sdk/errors.ts';
import type { Logger } from '@gantry/plugin-sdk/extension-point.ts';
import { Router } from 'express';
import { readBody, readJson } from './body.ts';
import { toErrorAnswer } from './errors.ts';
import { hijackOf, isUpgraded, markUpgrade, upgradedBody, upgradeUnasked } from './hijack.ts';
import { type Call, Query, type Row } from './route.ts';
import { checkApi, compareApi, NEWEST_API } from './version.ts';
import { downgrade, upgrade, upgradeQuery } from './versions/chain.ts';

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
  /** Told of the beginning and of the end of each request. */
  readonly activity?: { touched(): void };
}

/** What the router and `takeVersion` add. */
interface ApiRequest extends IncomingMessage {
  url: string;
  readonly originalUrl: string;
  readonly params: Readonly<Record<string, string | readonly string[]>>;
  apiVersion: string;
}

/** The router's handlers as they are without an application; its own types know them only with one. */
type Handler = (req: ApiRequest, res: ServerResponse, next: () => void) => void | Promise<void>;
type ErrorHandler = (error: unknown, req: ApiRequest, res: ServerResponse, next: () => void) => void;
interface BareRouter {
  (req: IncomingMessage, res: ServerResponse, done: (error?: unknown) => void): void;
  use(handler: Handler | ErrorHandler): void;
  route(path: string): Record<Lowercase<Row['method']>, (handler: Handler) => void>;
}

export class ApiServer {
  readonly #router = Router() as unknown as BareRouter;
  /** A router for the rows of each first word of a path: one for all would try its hundred in turn. */
  readonly #byWord: ReadonlyMap<string, BareRouter>;
  readonly #log: Logger;
  readonly #activity: ApiOptions['activity'];
  readonly #servers: http.Server[] = [];
  /** What takes connections over. An upgrade asked for elsewhere is passed over, as HTTP allows. */
  readonly #takeovers: readonly Takeover[];

  constructor({ rows, headers, log, activity }: ApiOptions) {
    this.#log = log;
    this.#activity = activity;
    this.#takeovers = rows.flatMap(takeoverOf);
    const always = Object.entries(headers);
    this.#router.use((req: ApiRequest, res: ServerResponse, next: () => void) => {
      for (const [name, value] of always) res.setHeader(name, value);
      takeVersion(req);
      next();
    });
    const words = Map.groupBy(rows, ({ path }) => firstWord(path));
    this.#byWord = new Map([...words].map(([word, ofWord]) => [word, this.#routerOf(ofWord)]));
    this.#router.use((req: ApiRequest, res: ServerResponse, next: () => void) => {
      const router = this.#byWord.get(firstWord(req.url));
      if (router) router(req, res, next);
      else next();
    });
    this.#router.use((req: ApiRequest) => {
      throw notFound(req);
    });
    this.#router.use((error: unknown, _req: ApiRequest, res: ServerResponse, _next: () => void) =>
      this.#fail(res, error),
    );
  }

  /** A server with the table on it; the caller decides what it listens on. `tls` makes it HTTPS. */
  create(tls?: https.ServerOptions): http.Server {
    const options = {
      ...HTTP_OPTIONS,
      shouldUpgradeCallback: (req: IncomingMessage) => this.#takeover(req) !== undefined,
    };
    const server = tls
      ? process.getBuiltinModule('node:https').createServer({ ...tls, ...options })
      : http.createServer(options);
    // A client that has sent all its stdin half-closes; the output must go on.
    Reflect.set(server, 'httpAllowHalfOpen', true);
    Reflect.set(server, 'allowHalfOpen', true);
    server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) =>
      upgradeUnasked(socket, (req) => this.#takeover(req) === 'hijack'),
    );
    server.on('request', (req, res) => this.#handle(req, res));
    server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
      const res = new ServerResponse(req);
      res.shouldKeepAlive = false;
      res.assignSocket(socket as Socket);
      // The server has let go of it: nobody else would hear of its client's leaving, or close it without a hijack.
      socket.on('error', () => {});
      res.once('finish', () => (socket as Socket).destroySoon());
      markUpgrade(req, head);
      this.#handle(req, res);
    });
    this.#servers.push(server);
    return server;
  }

  #takeover({ method, url = '' }: IncomingMessage): Takeover['kind'] | undefined {
    const path = url.split('?', 1)[0] ?? '';
    return this.#takeovers.find((one) => one.method === method && one.pattern.test(path))?.kind;
  }

  #handle(req: IncomingMessage, res: ServerResponse): void {
    this.#activity?.touched();
    res.once('close', () => this.#activity?.touched());
    this.#router(req, res, (error) => this.#fail(res, error));
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

  #routerOf(rows: readonly Row[]): BareRouter {
    const router = Router() as unknown as BareRouter;
    for (const row of rows) {
      const method = row.method.toLowerCase() as Lowercase<Row['method']>;
      router.route(row.path)[method](async (req, res) => {
        if (outside(row, req.apiVersion)) throw notFound(req);
        await this.#run(row, req, res);
      });
    }
    return router;
  }

  async #run(row: Row, req: ApiRequest, res: ServerResponse): Promise<void> {
    const version = req.apiVersion;
    const gone = new AbortController();
    res.on('close', () => res.writableFinished || gone.abort());
    const call: Call = {
      version,
      params: paramsOf(req),
      query: new Query(queryOf(row, req)),
      body: takesBody(row) ? upgrade(row.name, version, await bodyOf(req)) : undefined,
      req,
      res,
      signal: gone.signal,
      hijack: (contentType) => hijackOf(req, res, contentType),
    };
    const answer = await row.handler(call);
    if (!answer || res.headersSent) return;
    res.statusCode = answer.status ?? 200;
    for (const name in answer.headers) res.setHeader(name, answer.headers[name] as string);
    if (answer.body === undefined) res.end();
    else sendJson(res, downgrade(row.name, version, answer.body));
  }

  #fail(res: ServerResponse, error: unknown): void {
    // `%zz` in a path: the router's own URIError.
    const thrown =
      error instanceof URIError ? new HostError('InvalidArgument', 'INVALID_PATH', error.message) : error;
    const { status, body } = toErrorAnswer(thrown);
    // What it was about to say, or was sent, is cut off: that is the client's doing.
    const left = res.socket === null || res.socket.destroyed || isKind(thrown, 'Canceled');
    if (status === 500 && !left) this.#log.error({ error: thrown }, 'request failed');
    if (res.headersSent || !res.socket) {
      res.destroy();
      return;
    }
    res.statusCode = status;
    // Clients as old as that know no errors in JSON.
    if (isHostError(thrown) && thrown.code === 'API_TOO_OLD') sendText(res, `${body.message}\n`);
    else sendJson(res, body);
  }
}

/** With or without the version before it. */
interface Takeover {
  readonly method: string;
  readonly pattern: RegExp;
  readonly kind: 'hijack' | 'websocket';
}

function takeoverOf({ method, path, kind }: Row): readonly Takeover[] {
  if (kind !== 'hijack' && kind !== 'websocket') return [];
  const pattern = new RegExp(`^(?:/v\\d+\\.\\d+)?${path.replace(/:\w+/g, '[^/]+')}$`);
  return [{ method, pattern, kind }];
}

/** `containers` of `/containers/json?all=1`. */
function firstWord(path: string): string {
  return /^\/([^/?]*)/.exec(path)?.[1] ?? '';
}

/** The parameters, as the newest version would say them. */
function queryOf(row: Row, { originalUrl, apiVersion }: ApiRequest): URLSearchParams {
  const at = originalUrl.indexOf('?');
  const params = new URLSearchParams(at < 0 ? '' : originalUrl.slice(at + 1));
  upgradeQuery(row.name, apiVersion, params);
  return params;
}

function takesBody({ kind, method }: Row): boolean {
  return kind !== 'tar' && method !== 'GET';
}

function bodyOf(req: IncomingMessage): Promise<unknown> {
  return readJson(req, isUpgraded(req) ? upgradedBody : readBody);
}

/** Without a charset: the docker command compares the whole header. */
function sendJson(res: ServerResponse, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`;
  res.setHeader('Content-Type', 'application/json');
  res.setHeader('Content-Length', Buffer.byteLength(text));
  res.end(text); // as text it leaves in one write with the head
}

function sendText(res: ServerResponse, text: string): void {
  res.setHeader('Content-Type', 'text/plain; charset=utf-8');
  res.setHeader('Content-Length', Buffer.byteLength(text));
  res.end(text);
}

/** Strips `/v1.41` from the path and remembers it; a path without a version means the newest. */
function takeVersion(req: ApiRequest): void {
  const version = VERSION_PREFIX.exec(req.url)?.[1];
  req.apiVersion = version ?? NEWEST_API;
  if (version === undefined) return;
  checkApi(version, req.url);
  req.url = req.url.slice(version.length + 2) || '/';
}

function notFound({ url }: ApiRequest): HostError {
  const path = url.split('?', 1)[0];
  return new HostError('NotFound', 'PAGE_NOT_FOUND', 'page not found', { details: { path } });
}

function outside(row: Row, version: string): boolean {
  return (
    (row.since !== undefined && compareApi(version, row.since) < 0) ||
    (row.until !== undefined && compareApi(version, row.until) > 0)
  );
}

/** The router gives a `*name` parameter as an array of segments. */
function paramsOf(req: ApiRequest): Readonly<Record<string, string>> {
  const params: Record<string, string> = {};
  for (const name in req.params) {
    const value = req.params[name];
    params[name] = typeof value === 'string' ? value : (value?.join('/') ?? '');
  }
  return params;
}
