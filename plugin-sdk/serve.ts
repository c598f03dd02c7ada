/**
 * Serves a driver from a process of its own, on a unix socket, over either of two wires:
 *
 * - `docker`: Docker's plugin protocol, so that a stock Docker Engine can use it too. For points that have one. Put the
 *   socket at `/run/docker/plugins/NAME.sock`.
 * - `json-rpc`: Gantry's own, for every point, with typed errors, cancellation, progress and logs. Put the socket at
 *   `/run/gantry/drivers/NAME.sock`.
 *
 * Either way the driver is called NAME.
 */
import { type LogDriver, logPoint } from './contracts/log.ts';
import { HostError } from './errors.ts';
import { type ExtensionPoint, type Logger, missingMethods } from './extension-point.ts';
import { translationsOf } from './wire/point-translations.ts';

export interface ServeOptions<T> {
  readonly point: ExtensionPoint<T>;
  readonly wire: 'docker' | 'json-rpc';
  /** Path of the socket. Its directory is made; a socket that nobody listens on is replaced. */
  readonly socket: string;
  /** Permission bits of the socket; default 0600. */
  readonly mode?: number;
  /** What it calls itself over JSON-RPC; its users know it by its socket's name. */
  readonly name?: string;
  readonly version?: string;
}

export interface Served {
  /** Goes to every host that is connected, and to `gantry driver logs`. Docker's protocol has nothing for it. */
  readonly log: Logger;
  /** Stops listening, ends calls in flight by their signal, and removes the socket. */
  close(): Promise<void>;
}

/**
 * Errors: FailedPrecondition (`SOCKET_IN_USE`: another driver listens there), InvalidArgument (`NOT_A_DRIVER`: methods of
 * the contract are missing, all are named), NotImplemented (`WIRE_ABSENT`: Docker's protocol has no such point).
 */
export async function serve<T extends object>(driver: T, options: ServeOptions<T>): Promise<Served> {
  const { point, wire, socket, mode = 0o600, name = point.word, version = '' } = options;
  const missing = missingMethods(point, driver);
  if (missing.length > 0) {
    const message = `serve: the driver lacks ${missing.join(', ')} of ${point.id}`;
    throw new HostError('InvalidArgument', 'NOT_A_DRIVER', message, { details: { missing } });
  }
  if (wire === 'json-rpc') {
    const { serveJsonRpc } = await import('./serve/json-rpc.ts');
    return serveJsonRpc(point, driver, { name, version }, { socket, mode });
  }
  const translations = translationsOf(point);
  if (point.implementsName === undefined || translations.size === 0) {
    const message = `serve: Docker's plugin protocol has no drivers of ${point.id}`;
    throw new HostError('NotImplemented', 'WIRE_ABSENT', message, { hint: 'serve it over json-rpc' });
  }
  const { serveDocker } = await import('./serve/docker.ts');
  const spoken = await asSpoken(point, driver);
  const close = await serveDocker(point.implementsName, spoken, translations, { socket, mode });
  return { log: silent, close };
}

/** What Docker's protocol asks of a driver in another way than the contract. */
async function asSpoken(point: ExtensionPoint<unknown>, driver: object): Promise<object> {
  if (point.id !== logPoint.id) return driver;
  const { readingFifo } = await import('./serve/log-fifo.ts');
  return readingFifo(driver as LogDriver);
}

const ignore = (): void => undefined;
const silent: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
