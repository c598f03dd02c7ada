/** `/metrics` on an address of its own, so that who may read it need not be let near the API. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { Metrics } from './metrics.ts';

export interface MetricsServer {
  readonly address: string;
  close(): void;
}

/** `where`: `HOST:PORT`. Errors: InvalidArgument, FailedPrecondition when it cannot be listened on. */
export async function serveMetrics(metrics: Metrics, where: string): Promise<MetricsServer> {
  const [, host = '', port = ''] = /^\[?([^\]]*)\]?:(\d+)$/.exec(where) ?? [];
  if (port === '') {
    throw new HostError('InvalidArgument', 'INVALID_HOST', `--metrics-addr ${where}: HOST:PORT is expected`);
  }
  const server = http.createServer((req, res) => void answer(metrics, req, res));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen({ ...(host && { host }), port: Number(port) }, resolve);
  await promise.catch((cause: unknown) => {
    throw new HostError('FailedPrecondition', 'METRICS_ADDRESS', `serve metrics on ${where}`, { cause });
  });
  const { address, port: bound } = server.address() as AddressInfo;
  return {
    address: address.includes(':') ? `[${address}]:${bound}` : `${address}:${bound}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function answer(metrics: Metrics, req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
  const isRead = req.method === 'GET' || req.method === 'HEAD';
  if (!isRead || req.url?.split('?', 1)[0] !== '/metrics') {
    res.writeHead(isRead ? 404 : 405).end();
    return;
  }
  try {
    const text = await metrics.text();
    res.writeHead(200, { 'Content-Type': metrics.contentType, 'Content-Length': Buffer.byteLength(text) });
    res.end(text);
  } catch (error) {
    res.writeHead(500).end(`${String(error)}\n`);
  }
}
