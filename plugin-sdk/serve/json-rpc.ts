/** A driver behind Gantry's own protocol: JSON-RPC over a unix socket, see docs/contracts/json-rpc.md. */
import { createServer, type Socket } from 'node:net';
import type { TSchema } from 'typebox';
import { HostError } from '../errors.ts';
import type { ExtensionPoint, Logger } from '../extension-point.ts';
import { faultsOf } from '../rpc/check.ts';
import { RpcConnection, type ServedCall } from '../rpc/connection.ts';
import {
  ACTIVATE,
  ActivateParams,
  type ActivateResult,
  LOG,
  LOG_LEVELS,
  PROTOCOLS,
} from '../rpc/handshake.ts';
import type { AnyRpcMethod } from '../rpc/messages.ts';
import { messagesAt, rpcName } from '../rpc/points.ts';
import { closeServer, listenOn, stopping } from './listen.ts';

interface ServedMethod {
  readonly method: string;
  readonly messages: AnyRpcMethod;
}

export interface RpcServed {
  readonly log: Logger;
  close(): Promise<void>;
}

/** `who`: what the driver calls itself. */
export async function serveJsonRpc(
  point: ExtensionPoint<unknown>,
  driver: object,
  who: { readonly name: string; readonly version: string },
  { socket, mode }: { socket: string; mode: number },
): Promise<RpcServed> {
  const methods = methodsOf(point, driver);
  const activation: Omit<ActivateResult, 'protocol'> = {
    ...who,
    points: [{ id: point.id, methods: [...methods.values()].map(({ method }) => method) }],
  };
  const stop = new AbortController();
  const connections: Set<RpcConnection> = new Set();
  const server = createServer((peer) => {
    const connection = connect(peer, driver, methods, activation, stop.signal);
    connections.add(connection);
    void connection.closed.then(() => connections.delete(connection));
  });
  await listenOn(server, socket, mode);
  return {
    log: logger((level, fields, message) => {
      for (const connection of connections) connection.notify(LOG, { level, message, fields });
    }),
    close() {
      stop.abort(stopping());
      for (const connection of connections) void connection.drain().then(() => connection.close());
      return closeServer(server, socket, () => {
        for (const connection of connections) connection.close();
      });
    },
  };
}

/** Those of the contract that the driver has, by their name on the wire. */
function methodsOf(point: ExtensionPoint<unknown>, driver: object): ReadonlyMap<string, ServedMethod> {
  const messages = messagesAt(point.id);
  if (messages === undefined) {
    throw new HostError('NotImplemented', 'WIRE_ABSENT', `${point.id} has no messages on JSON-RPC`);
  }
  const has = ([method]: readonly [string, unknown]) => typeof Reflect.get(driver, method) === 'function';
  return new Map(
    Object.entries(messages)
      .filter(has)
      .map(([method, one]) => [rpcName(point.id, method), { method, messages: one }]),
  );
}

function connect(
  peer: Socket,
  driver: object,
  methods: ReadonlyMap<string, ServedMethod>,
  activation: Omit<ActivateResult, 'protocol'>,
  stopped: AbortSignal,
): RpcConnection {
  let activated = false;
  const serve = async (name: string, params: unknown, call: ServedCall): Promise<unknown> => {
    if (name === ACTIVATE) {
      check(name, ActivateParams, params);
      const protocol = chosen((params as { protocols: readonly number[] }).protocols);
      activated = true;
      return { protocol, ...activation };
    }
    if (!activated)
      throw new HostError('FailedPrecondition', 'NOT_ACTIVATED', `${name}: call ${ACTIVATE} first`);
    const found = methods.get(name);
    if (found === undefined) {
      throw new HostError('NotImplemented', 'DRIVER_METHOD_ABSENT', `unknown method "${name}"`);
    }
    check(name, found.messages.params, params);
    const signal = AbortSignal.any([call.signal, stopped]);
    const request = found.messages.bytes?.fromWire(params) ?? params;
    return Reflect.get(driver, found.method).call(driver, request, { signal, progress: call.progress });
  };
  return new RpcConnection(peer, { serve });
}

function chosen(offered: readonly number[]): number {
  const protocol = offered.find((one) => PROTOCOLS.includes(one));
  if (protocol !== undefined) return protocol;
  const message = `activate: the host speaks protocol ${offered.join(', ')}, this driver ${PROTOCOLS.join(', ')}`;
  throw new HostError('FailedPrecondition', 'PROTOCOL_UNKNOWN', message);
}

function check(name: string, schema: TSchema, params: unknown): void {
  const faults = faultsOf(schema, params);
  if (faults !== undefined) throw new HostError('InvalidArgument', 'BAD_REQUEST', `${name}: ${faults}`);
}

function logger(tell: (level: string, fields: object, message: string) => void): Logger {
  const [debug, info, warn, error] = LOG_LEVELS.map(
    (level) => (fields: object, message: string) => tell(level, fields, message),
  );
  return { debug, info, warn, error } as Logger;
}
