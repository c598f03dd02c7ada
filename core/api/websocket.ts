/** A WebSocket in place of an HTTP connection; the library is loaded at the first one. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { upgradeHead } from './hijack.ts';

/** What is buffered for a client that does not read holds the writer up beyond this. */
const BUFFERED_BYTES = 64 * 1024;

/** Answers the handshake; the stream's chunks are messages, written as binary ones. Errors: InvalidArgument. */
export async function acceptWebSocket(req: IncomingMessage): Promise<Duplex> {
  const head = upgradeHead(req);
  if (head === undefined || req.headers.upgrade?.toLowerCase() !== 'websocket') {
    throw new HostError('InvalidArgument', 'NOT_A_WEBSOCKET', 'a WebSocket handshake is expected');
  }
  const { WebSocketServer, createWebSocketStream } = await import('ws');
  const { promise, resolve } = Promise.withResolvers<Duplex>();
  const server = new WebSocketServer({ noServer: true, maxPayload: 1 << 20 });
  server.handleUpgrade(req, req.socket, head, (socket) => {
    resolve(createWebSocketStream(socket, { highWaterMark: BUFFERED_BYTES, allowHalfOpen: false }));
  });
  return promise;
}
