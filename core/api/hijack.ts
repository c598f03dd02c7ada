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

/** What came along with the head of a request that was upgraded, less its body; undefined for others. */
export function upgradeHead(req: IncomingMessage): Buffer | undefined {
  return heads.get(req);
}

/** Node's parser of a connection, which it does not document: each head goes through `onIncoming`. */
interface WithParser {
  readonly parser?: { onIncoming?: (req: IncomingMessage, keepAlive: boolean) => number };
}

/**
 * Docker's older clients take a connection over without having asked for an upgrade, and what they send then would be
 * parsed as a further request. A head that `isHijack` says is one of those is treated as if it had asked. To be called
 * when Node has given `socket` its parser.
 */
export function upgradeUnasked(socket: Socket, isHijack: (req: IncomingMessage) => boolean): void {
  const { parser } = socket as WithParser;
  const own = parser?.onIncoming;
  if (!parser || !own) return;
  parser.onIncoming = (req, keepAlive) => {
    // A body in chunks would be left in the stream with them.
    if (!req.headers['transfer-encoding'] && isHijack(req)) Reflect.set(req, 'upgrade', true);
    return own(req, keepAlive);
  };
}

export function hijackOf(req: IncomingMessage, res: ServerResponse, contentType: string): Hijacked {
  const head = heads.get(req);
  const socket = res.socket as Socket;
  res.detachSocket(socket);
  const asked = req.headers.upgrade !== undefined;
  const type = `Content-Type: ${contentType}\r\n`;
  // To who did not ask: no length and no chunks, the stream ends with the connection.
  const answer = asked
    ? `101 UPGRADED\r\n${type}Connection: Upgrade\r\nUpgrade: tcp\r\n`
    : `200 OK\r\n${type}`;
  socket.write(`HTTP/1.1 ${answer}\r\n`);
  if (head === undefined) return { stream: socket, upgraded: false };
  if (head.length > 0) socket.unshift(head);
  finished(socket, () => res.emit('close'));
  return { stream: socket, upgraded: true };
}
