/** Takes an HTTP connection over for a raw stream, as `docker attach` and `docker run` ask for. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { finished } from 'node:stream';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { Hijacked } from './route.ts';

const heads = new WeakMap<IncomingMessage, Buffer>();

/**
 * The body of a request that came with `Upgrade`: Node's parser leaves it in the stream, of which `head` is the
 * beginning. What follows it is the client's stdin, and stays.
 */
export async function upgradedBody(req: IncomingMessage): Promise<Buffer> {
  const length = Number(req.headers['content-length'] ?? 0);
  let bytes = heads.get(req) ?? Buffer.alloc(0);
  if (bytes.length < length)
    bytes = Buffer.concat([bytes, await readFrom(req.socket, length - bytes.length)]);
  heads.set(req, bytes.subarray(length));
  return bytes.subarray(0, length);
}

export function isUpgraded(req: IncomingMessage): boolean {
  return heads.has(req);
}

/** At least `count` bytes. */
async function readFrom(socket: Socket, count: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let left = count;
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    left -= chunk.length;
    if (left <= 0) return Buffer.concat(chunks);
  }
  throw new HostError('Canceled', 'CANCELED', 'the client left');
}

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
  if (head.length > 0) socket.unshift(head);
  finished(socket, () => res.emit('close'));
  return { stream: socket, upgraded: true };
}
