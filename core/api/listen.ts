/** Where the API is served: unix sockets for root and one group, TCP with or without TLS, descriptors handed over. */
import { chmodSync, chownSync, readFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import type http from 'node:http';
import { createConnection } from 'node:net';
import path from 'node:path';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { listenDescriptors } from '../config/load.ts';
import type { DaemonOptions, TlsOptions } from '../config/options/read.ts';
import type { ApiServer } from './server.ts';

export async function listenAll(api: ApiServer, { hosts, group, tls }: DaemonOptions): Promise<void> {
  for (const host of hosts) await listen(api, host, { group, tls });
}

async function listen(api: ApiServer, host: string, { group, tls }: Pick<DaemonOptions, 'group' | 'tls'>) {
  if (host.startsWith('unix://')) return listenUnix(api, host.slice('unix://'.length), group);
  if (host.startsWith('tcp://')) return listenTcp(api, host, tls);
  if (host.startsWith('fd://')) return listenHandedOver(api);
  throw new HostError(
    'InvalidArgument',
    'INVALID_HOST',
    `invalid host "${host}": unix://, tcp:// or fd:// is expected`,
  );
}

async function listenUnix(api: ApiServer, socket: string, group: string): Promise<void> {
  await mkdir(path.dirname(socket), { recursive: true, mode: 0o711 });
  if (await answers(socket)) {
    throw new HostError(
      'FailedPrecondition',
      'ALREADY_RUNNING',
      `listen on ${socket}: another daemon answers there`,
    );
  }
  await rm(socket, { force: true });
  const before = process.umask(0o117);
  try {
    await bound(api.create(), { path: socket });
  } finally {
    process.umask(before);
  }
  const gid = groupId(group);
  if (gid !== undefined && process.getuid?.() === 0) chownSync(socket, 0, gid);
  chmodSync(socket, 0o660);
}

async function listenTcp(api: ApiServer, host: string, tls: TlsOptions | undefined): Promise<void> {
  const { hostname, port } = new URL(host.replace(/^tcp:/, 'http:'));
  const server = api.create(tls && readTls(tls));
  await bound(server, { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (tls ? 2376 : 2375)) });
}

async function listenHandedOver(api: ApiServer): Promise<void> {
  const descriptors = listenDescriptors();
  if (descriptors.length === 0) {
    throw new HostError(
      'FailedPrecondition',
      'NO_DESCRIPTORS',
      'listen on fd://: no socket was handed over',
      {
        hint: 'start the daemon through its socket unit, or name a unix:// address',
      },
    );
  }
  for (const fd of descriptors) await bound(api.create(), { fd });
}

/** Mutual TLS when clients are to be verified. */
function readTls({ verify, ca, cert, key }: TlsOptions) {
  return {
    cert: readFileSync(cert),
    key: readFileSync(key),
    minVersion: 'TLSv1.2' as const,
    ...(ca && { ca: readFileSync(ca) }),
    ...(verify && { requestCert: true, rejectUnauthorized: true }),
  };
}

function bound(server: http.Server, where: object): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(where, () => {
    server.off('error', reject);
    resolve();
  });
  return promise;
}

/** Whether somebody listens at the socket: at a file left by a dead daemon nobody does. */
function answers(socketPath: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = createConnection(socketPath);
  socket.once('connect', () => resolve(true));
  // EAGAIN: somebody does, and has too many callers.
  socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EAGAIN'));
  return promise.finally(() => socket.destroy());
}

function groupId(name: string): number | undefined {
  try {
    const row = readFileSync('/etc/group', 'utf8')
      .split('\n')
      .find((line) => line.startsWith(`${name}:`));
    return row === undefined ? undefined : Number(row.split(':')[2]);
  } catch {
    return undefined;
  }
}
