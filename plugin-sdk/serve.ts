/**
 * Serves a driver as a Docker plugin: the contract's methods over HTTP on a unix socket, so that Gantry and a stock
 * Docker Engine can use it. Put the socket at `/run/docker/plugins/NAME.sock` and the driver is called NAME.
 */
import { chmodSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createConnection } from 'node:net';
import { dirname } from 'node:path';
import type { VolumeDriver } from './contracts/volume.ts';
import { HostError, isHostError, messageChain } from './errors.ts';
import { readMessage } from './wire/read.ts';
import { type AnyTranslation, byMethodName } from './wire/translation.ts';
import { volumeTranslation } from './wire/volume.ts';

const MAX_REQUEST_BYTES = 16 * 1024 * 1024;
/** How long calls in flight may go on after the stop. */
const LAST_CALLS_MS = 1000;

export interface ServeOptions {
  /** Path of the socket. Its directory is made; a socket that nobody listens on is replaced. */
  readonly socket: string;
  /** Permission bits of the socket. */
  readonly mode?: number;
}

export interface Served {
  /** Stops listening, ends calls in flight by their signal, and removes the socket. */
  close(): Promise<void>;
}

/** Rejects with FailedPrecondition when another plugin listens on the socket. */
export function serveVolumeDriver(driver: VolumeDriver, options: ServeOptions): Promise<Served> {
  return serve('VolumeDriver', driver, byMethodName(volumeTranslation), options);
}

async function serve(
  kind: string,
  driver: object,
  translations: ReadonlyMap<string, AnyTranslation>,
  { socket, mode = 0o600 }: ServeOptions,
): Promise<Served> {
  const stop = new AbortController();
  const rows = new Map([...translations].map(([method, row]) => [`/${row.method.name}`, { method, row }]));
  const server = createServer((request, response) => {
    const found = rows.get(request.url ?? '');
    if (request.url === '/Plugin.Activate') send(response, 200, { Implements: [kind] });
    else if (found === undefined) send(response, 404, { Err: `unknown method "${request.url}"` });
    else void answer(driver, found.method, found.row, stop.signal, request, response);
  });
  server.keepAliveTimeout = 0; // the caller decides how long it keeps a connection
  await claim(socket);
  await listen(server, socket, mode);
  return { close: () => close(server, stop, socket) };
}

async function answer(
  driver: object,
  method: string,
  row: AnyTranslation,
  stopped: AbortSignal,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const left = new AbortController();
  response.once('close', () => left.abort(new HostError('Canceled', 'CANCELED', 'the caller went away')));
  try {
    const asked = row.request.fromWire(await readRequest(row, request));
    const signal = AbortSignal.any([left.signal, stopped]);
    const result: unknown = await Reflect.get(driver, method).call(driver, asked, { signal });
    send(response, 200, { ...row.answer.toWire(result), Err: '' });
  } catch (error) {
    const bad = isHostError(error) && error.code === 'BAD_REQUEST';
    send(response, bad ? 400 : 200, { Err: messageChain(error) });
  }
}

/** A body is demanded even where it says nothing: Docker's own retry of a lost call sends none. */
async function readRequest(row: AnyTranslation, request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_REQUEST_BYTES) throw badRequest(row, `longer than ${MAX_REQUEST_BYTES} bytes`);
    chunks.push(chunk);
  }
  if (bytes === 0 && row.method.body === 'json') throw badRequest(row, 'the body is empty');
  const read = readMessage(row.method.request, parse(row, Buffer.concat(chunks).toString('utf8')));
  if (read.faults !== undefined) throw badRequest(row, read.faults.join('; '));
  return read.value;
}

function parse(row: AnyTranslation, text: string): unknown {
  try {
    return text.trim() === '' ? {} : JSON.parse(text);
  } catch (error) {
    throw badRequest(row, (error as Error).message);
  }
}

function badRequest(row: AnyTranslation, why: string): HostError {
  return new HostError('InvalidArgument', 'BAD_REQUEST', `${row.method.name}: ${why}`);
}

function send(response: ServerResponse, status: number, json: object): void {
  const body = `${JSON.stringify(json)}\n`;
  response.writeHead(status, {
    'Content-Type': 'application/vnd.docker.plugins.v1.2+json',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
}

/** Removes what a plugin that died left behind. */
async function claim(socket: string): Promise<void> {
  mkdirSync(dirname(socket), { recursive: true });
  if (statSync(socket, { throwIfNoEntry: false })?.isSocket() !== true) return;
  if (await isAnswered(socket)) {
    throw new HostError(
      'FailedPrecondition',
      'SOCKET_IN_USE',
      `serve on "${socket}": another plugin listens there`,
    );
  }
  rmSync(socket, { force: true });
}

function isAnswered(socket: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = createConnection({ path: socket });
  probe.once('connect', () => resolve(true));
  probe.once('error', () => resolve(false));
  return promise.finally(() => probe.destroy());
}

async function listen(server: Server, socket: string, mode: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(socket, resolve);
  await promise;
  server.off('error', reject);
  chmodSync(socket, mode);
}

async function close(server: Server, stop: AbortController, socket: string): Promise<void> {
  stop.abort(new HostError('Canceled', 'PLUGIN_STOPPING', 'the plugin stops'));
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  const late = setTimeout(() => server.closeAllConnections(), LAST_CALLS_MS);
  await promise;
  clearTimeout(late);
  rmSync(socket, { force: true });
}
