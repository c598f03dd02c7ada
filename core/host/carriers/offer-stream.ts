/** A stream as a named end-point: a unix socket, whose first client gets it. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const CONNECT_MS = 10_000;

/** Answers the socket's path, in a directory that only we may enter. The stream is destroyed when the client leaves, or when none comes in time. */
export async function offerStream(stream: Readable): Promise<string> {
  const dir = mkdtempSync(path.join(tmpdir(), 'gantry-stream-'));
  const socket = path.join(dir, 's');
  const withdraw = () => {
    clearTimeout(late);
    server.close();
    rmSync(dir, { recursive: true, force: true });
  };
  const server = createServer((client) => {
    withdraw();
    void hand(stream, client);
  });
  const late = setTimeout(() => {
    withdraw();
    stream.destroy();
  }, CONNECT_MS).unref();
  server.listen(socket);
  await once(server, 'listening');
  return socket;
}

async function hand(stream: Readable, client: Socket): Promise<void> {
  client.resume(); // so that it is seen to leave
  await pipeline(stream, client).catch(() => {});
}
