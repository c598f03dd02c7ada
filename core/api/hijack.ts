/** Takes an HTTP connection over for a raw stream, as `docker attach` and `docker run` ask for. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { finished } from 'node:stream';
import type { Hijacked } from './route.ts';

const heads = new WeakMap<IncomingMessage, Buffer>();

/** Notes that `req` came with `Upgrade`, and which bytes of its stream came along with the head. */
export function markUpgrade(req: IncomingMessage, head: Buffer): void {
  heads.set(req, head);
}

export function hijackOf(req: IncomingMessage, res: ServerResponse, contentType: string): Hijacked {
  const head = heads.get(req);
  const socket = res.socket as Socket;
  res.detachSocket(socket);
  if (head === undefined) {
    // No length and no chunks: the stream ends with the connection.
    socket.write(`HTTP/1.1 200 OK\r\nContent-Type: ${contentType}\r\n\r\n`);
    return { stream: socket, upgraded: false };
  }
  socket.write(
    `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${contentType}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`,
  );
  // The exec start body, if any, comes first in what the parser left over.
  const bodyBytes = Number(req.headers['content-length'] ?? 0);
  const early = head.subarray(Math.min(bodyBytes, head.length));
  if (early.length > 0) socket.unshift(early);
  finished(socket, () => res.emit('close'));
  return { stream: socket, upgraded: true };
}
