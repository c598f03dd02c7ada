/** A driver behind Docker's plugin protocol: `POST /Kind.Method` over HTTP, as Gantry and a stock Docker Engine send it. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { HostError, isHostError, messageChain } from '../errors.ts';
import { readMessage } from '../wire/read.ts';
import type { AnyTranslation } from '../wire/translation.ts';
import { closeServer, listenOn, stopping } from './listen.ts';

const MAX_REQUEST_BYTES = 16 * 1024 * 1024;

/** Answers what ends it. `kind` is the word of the activation, such as `VolumeDriver`. */
export async function serveDocker(
  kind: string,
  driver: object,
  translations: ReadonlyMap<string, AnyTranslation>,
  { socket, mode }: { socket: string; mode: number },
): Promise<() => Promise<void>> {
  const stop = new AbortController();
  const has = (method: string) => typeof Reflect.get(driver, method) === 'function';
  const rows = new Map(
    [...translations]
      .filter(([method]) => has(method))
      .map(([method, row]) => [`/${row.method.name}`, { method, row }]),
  );
  const server = createServer((request, response) => {
    const found = rows.get(request.url ?? '');
    if (request.url === '/Plugin.Activate') send(response, 200, { Implements: [kind] });
    else if (found === undefined) send(response, 404, { Err: `unknown method "${request.url}"` });
    else void answer(driver, found.method, found.row, stop.signal, request, response);
  });
  server.keepAliveTimeout = 0; // the caller decides how long it keeps a connection
  await listenOn(server, socket, mode);
  return () => {
    stop.abort(stopping());
    return closeServer(server, socket, () => server.closeAllConnections());
  };
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
