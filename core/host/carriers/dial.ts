/** Opens a connection to where a plugin listens: a unix socket, TCP, or TLS. */
import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { PluginAddress, PluginTls } from '../plugin-address.ts';

/** A socket younger than this may be bound and not listening yet. */
const YOUNG_MS = 1000;
const YOUNG_WAIT_MS = 500;

/** Rejects with the system's error or the signal's reason. Nothing has been sent then. */
export async function dial(address: PluginAddress, signal: AbortSignal): Promise<Socket> {
  const until = performance.now() + YOUNG_WAIT_MS;
  for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 2, 100)) {
    try {
      return await connectOnce(address, signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (!worthWaiting(address, error, until)) throw error;
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => Promise.reject(signal.reason));
  }
}

/** EAGAIN is a full backlog: the plugin is there and slow to accept, so its deadline decides. */
function worthWaiting(address: PluginAddress, error: unknown, until: number): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  if (address.kind !== 'unix') return false;
  if (code === 'EAGAIN') return true;
  return code === 'ECONNREFUSED' && performance.now() < until && isYoung(address.path);
}

function isYoung(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.ctimeMs < YOUNG_MS;
}

async function connectOnce(address: PluginAddress, signal: AbortSignal): Promise<Socket> {
  const tls = address.kind === 'tls' ? await tlsOptions(address.tls) : undefined;
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = open(address, tls);
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  socket.once(tls === undefined ? 'connect' : 'secureConnect', () => resolve(socket));
  socket.once('error', reject);
  try {
    return await promise;
  } catch (error) {
    socket.on('error', () => undefined).destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
    socket.off('error', reject);
  }
}

function open(address: PluginAddress, tls: ConnectionOptions | undefined): Socket {
  if (address.kind === 'unix') return createConnection({ path: address.path });
  const { host, port } = address;
  return tls === undefined ? createConnection({ host, port }) : connectTls({ ...tls, host, port });
}

async function tlsOptions(tls: PluginTls): Promise<ConnectionOptions> {
  const [ca, cert, key] = await Promise.all([tls.caFile, tls.certFile, tls.keyFile].map(readIfNamed));
  return {
    minVersion: 'TLSv1.2',
    rejectUnauthorized: tls.verify,
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(tls.serverName && { servername: tls.serverName }),
  };
}

async function readIfNamed(path: string | undefined): Promise<Buffer | undefined> {
  return path === undefined ? undefined : readFile(path);
}
