/**
 * A Docker log plugin as a program of its own, in Node. Each container's entries go to `OUT/ID.log`, a JSON line an entry;
 * each call to `OUT/calls.jsonl`. To make it hang or die, send it SIGSTOP or SIGKILL.
 *
 *   node log-plugin.ts --socket PATH --out DIR [--read-logs]
 *
 * `--read-logs`: it gives entries back. The log option `fail=WORDS` has StartLogging refuse with those words, and
 * `pace=MS` has it wait so long before it reads on.
 */
import { appendFileSync, constants, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { LogEntry } from '../../plugin-sdk/contracts/log.ts';
import { EntryDecoder, encodeEntries } from '../../plugin-sdk/logs/entry-frames.ts';

interface Info {
  ContainerID: string;
  Config: Record<string, string>;
}
interface Request {
  File: string;
  Info: Info;
  Config: { Since: string; Until: string; Tail: number; Follow: boolean };
}
type Stored = Omit<LogEntry, 'line'> & { readonly text: string };

const { values } = parseArgs({
  options: {
    socket: { type: 'string', default: '' },
    out: { type: 'string', default: '' },
    'read-logs': { type: 'boolean', default: false },
  },
});
const { socket, out } = values;
const readers = new Map<
  string,
  { readonly id: string; readonly fifo: Socket; readonly ended: Promise<void> }
>();
mkdirSync(out, { recursive: true });
mkdirSync(dirname(socket), { recursive: true });

function fileOf(id: string): string {
  return join(out, `${id}.log`);
}

function start({ File, Info: info }: Request): object {
  if (info.Config.fail) return { Err: info.Config.fail };
  const fifo = new Socket({ fd: openSync(File, constants.O_RDONLY | constants.O_NONBLOCK), writable: false });
  readers.set(File, { id: info.ContainerID, fifo, ended: store(fifo, info) });
  return { Err: '' };
}

async function store(fifo: Socket, info: Info): Promise<void> {
  const decoder = new EntryDecoder();
  for await (const chunk of fifo as AsyncIterable<Buffer>) {
    const lines = decoder.push(chunk).map(({ line, ...rest }) => {
      const stored: Stored = { ...rest, text: Buffer.from(line).toString('utf8') };
      return `${JSON.stringify(stored)}\n`;
    });
    appendFileSync(fileOf(info.ContainerID), lines.join(''));
    if (info.Config.pace) await delay(Number(info.Config.pace));
  }
}

async function stop({ File }: Request): Promise<object> {
  await readers.get(File)?.ended.catch(() => {});
  readers.delete(File);
  return { Err: '' };
}

function stored(id: string): Stored[] {
  if (!existsSync(fileOf(id))) return [];
  const lines = readFileSync(fileOf(id), 'utf8').split('\n');
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Stored);
}

async function read({ Info: info, Config: config }: Request, response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'Content-Type': 'application/x-json-stream' });
  const id = info.ContainerID;
  const isWanted = ({ time }: Stored) =>
    time >= config.Since && (config.Until.startsWith('0001') || time <= config.Until);
  let shown = 0;
  const send = (all: readonly Stored[], from: number) => {
    const entries = all.slice(from).filter(isWanted);
    const wanted = shown === 0 && config.Tail >= 0 ? entries.slice(entries.length - config.Tail) : entries;
    shown = all.length;
    response.write(
      encodeEntries(wanted.map(({ text, ...rest }) => ({ ...rest, line: Buffer.from(text) }))).bytes,
    );
  };
  send(stored(id), 0);
  while (config.Follow && !response.destroyed && [...readers.values()].some((one) => one.id === id)) {
    await delay(20);
    send(stored(id), shown);
  }
  response.end();
}

async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const method = (incoming.url ?? '').slice(1);
  let text = '';
  for await (const chunk of incoming) text += chunk;
  const request = (text === '' ? {} : JSON.parse(text)) as Request;
  appendFileSync(join(out, 'calls.jsonl'), `${JSON.stringify({ method, body: text, request })}\n`);
  if (method === 'LogDriver.ReadLogs' && values['read-logs']) return read(request, response);
  const answers: Record<string, () => object | Promise<object>> = {
    'Plugin.Activate': () => ({ Implements: ['LogDriver'] }),
    'LogDriver.Capabilities': () => ({ Cap: { ReadLogs: values['read-logs'] }, Err: '' }),
    'LogDriver.StartLogging': () => start(request),
    'LogDriver.StopLogging': () => endAndStop(request),
  };
  const answer = await answers[method]?.();
  response.writeHead(answer ? 200 : 404).end(JSON.stringify(answer ?? { Err: 'unknown' }));
}

/** What is still in the FIFO is read first; its writer has it open until this is answered, so it has no end before. */
async function endAndStop(request: Request): Promise<object> {
  await delay(20);
  readers.get(request.File)?.fifo.destroy();
  return stop(request);
}

const server = createServer((incoming, response) => void serve(incoming, response));
rmSync(socket, { force: true });
server.listen(socket, () => process.stdout.write('ready\n'));
process.on('SIGTERM', () => process.exit(0));
