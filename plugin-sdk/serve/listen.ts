/** A driver's socket: taken over from one that died, given its mode, and removed at the end. */
import { chmodSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { createConnection, type Server } from 'node:net';
import { dirname } from 'node:path';
import { HostError } from '../errors.ts';

/** How long calls in flight may go on after the stop. */
export const LAST_CALLS_MS = 1000;

/** Rejects with FailedPrecondition when another driver listens on the socket. */
export async function listenOn(server: Server, socket: string, mode: number): Promise<void> {
  await claim(socket);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(socket, resolve);
  await promise;
  server.off('error', reject);
  chmodSync(socket, mode);
}

/** Stops listening; `endLate` is called for what has not ended by itself after a moment. */
export async function closeServer(server: Server, socket: string, endLate: () => void): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  const late = setTimeout(endLate, LAST_CALLS_MS);
  await promise;
  clearTimeout(late);
  rmSync(socket, { force: true });
}

export function stopping(): HostError {
  return new HostError('Canceled', 'PLUGIN_STOPPING', 'the plugin stops');
}

/** Removes what a driver that died left behind. */
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
