/** `/containers/ID/attach` and `/containers/ID/attach/ws`. */
import type { Duplex } from 'node:stream';
import { detachSequence } from '../../controllers/container/detach-keys.ts';
import type { Engine } from '../../engine.ts';
import { containerEvent } from '../../events/emit.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import type { Call, Row } from '../route.ts';
import { streamType } from '../stream-type.ts';
import { acceptWebSocket } from '../websocket.ts';

export function attachRows(engine: Engine): readonly Row[] {
  return [
    {
      name: 'container.attach',
      method: 'POST',
      path: '/containers/:id/attach',
      kind: 'hijack',
      handler: (call) => attach(engine, call, hijacked),
    },
    {
      name: 'container.attachWebsocket',
      method: 'GET',
      path: '/containers/:id/attach/ws',
      kind: 'websocket',
      handler: (call) => attach(engine, call, webSocket),
    },
  ];
}

/** What becomes of the connection: the client's stream, and whether its output is in frames. */
type Opened = { readonly stream: Duplex; readonly stdin: boolean; readonly framed: boolean };
type Open = (call: Call, container: ContainerRecord) => Promise<Opened>;

async function hijacked({ hijack, version }: Call, { process }: ContainerRecord): Promise<Opened> {
  const { stream, upgraded } = hijack(streamType(process.terminal, version));
  return { stream, stdin: upgraded, framed: !process.terminal };
}

/** Both streams in one, as in Docker: messages tell nothing apart. */
async function webSocket({ req }: Call): Promise<Opened> {
  return { stream: await acceptWebSocket(req), stdin: true, framed: false };
}

/** What is wrong with the request is said before the connection is taken over. */
async function attach(engine: Engine, call: Call, open: Open): Promise<undefined> {
  const { containers, events, log } = engine;
  const { params, query, signal } = call;
  const container = containers.checkAttachable(params.id ?? '');
  const { id, process } = container;
  const detachKeys = detachSequence(query.text('detachKeys'));
  const [streams, replays] = [query.flag('stream'), query.flag('logs')];
  if (replays) containers.requireReadableLog(container);
  const { stream, stdin, framed } = await open(call, container);
  containerEvent(events, container, 'attach');
  const request = {
    stdin: query.flag('stdin') && stdin && process.openStdin,
    stdout: query.flag('stdout'),
    stderr: query.flag('stderr'),
    terminal: !framed,
    detachKeys: process.terminal ? detachKeys : undefined,
    endsWithStdin: !process.terminal && !process.stdinOnce,
  };
  try {
    if (streams && replays) await containers.attachWithLogs(id, stream, request, signal);
    else if (streams) await containers.attach(id, stream, request, signal);
    else if (replays) await containers.replay(id, stream, request, signal);
    if (!streams) stream.end();
  } catch (error) {
    if (!stream.destroyed) log.warn({ container: id, error }, 'attach failed');
    stream.destroy();
  }
  return undefined;
}
