/** The carrier of Docker's plugin protocol against a raw server on a real socket: what it sends, and what it makes of bad answers. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isHostError } from '@gantry/plugin-sdk/errors.ts';
import { networkMethods } from '@gantry/plugin-sdk/wire/network.ts';
import { volumeMethods } from '@gantry/plugin-sdk/wire/volume.ts';
import t, { type Test } from 'tap';
import { DockerHttp } from '../../../../core/host/carriers/docker-http.ts';
import type { AnswerLimits } from '../../../../core/host/carriers/http-answer.ts';
import { unixAddress } from '../../../../core/host/plugin-address.ts';

const { get, list, mount, create, capabilities } = volumeMethods;
const dir = mkdtempSync(join(tmpdir(), 'gantry-http-'));
t.teardown(() => rmSync(dir, { recursive: true, force: true }));
let sockets = 0;

/** Calls `respond` with each whole request of each connection, counted from 0 on both. */
type Respond = (socket: Socket, request: { text: string; nth: number; connection: number }) => void;

async function rawServer(respond: Respond, onConnect: (socket: Socket) => void = () => undefined) {
  const path = join(dir, `${sockets++}.sock`);
  const open = new Set<Socket>();
  const requests: string[] = [];
  const server: Server = createServer((socket) => {
    const connection = open.size;
    open.add(socket);
    let text = '';
    let nth = 0;
    socket.on('error', () => undefined);
    onConnect(socket);
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
      for (let end = requestEnd(text); end !== undefined; end = requestEnd(text)) {
        const request = text.slice(0, end);
        text = text.slice(end);
        requests.push(request);
        respond(socket, { text: request, nth: nth++, connection });
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const close = async () => {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { path, requests, connections: () => open.size, close };
}

/** A server and a client of it, both gone at the end of the test. */
async function pair(t: Test, respond: Respond, limits?: AnswerLimits) {
  const server = await rawServer(respond);
  const plugin = new DockerHttp('p', unixAddress(server.path), limits);
  t.teardown(async () => {
    plugin.close();
    await server.close();
  });
  return { server, plugin };
}

function requestEnd(text: string): number | undefined {
  const head = text.indexOf('\r\n\r\n');
  if (head === -1) return undefined;
  const end = head + 4 + Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
  return text.length >= end ? end : undefined;
}

/** Until a plugin has kept a connection, the pool does not use one again at once. */
function unprovenPause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 110));
}

function ok(body: string): string {
  return answer(200, body);
}

function answer(status: number, body: string, head = ''): string {
  return `HTTP/1.1 ${status} X\r\n${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

const GOOD = '{"Volume":{"Name":"v","Mountpoint":"/m"},"Err":""}';
const volume = { Volume: { Name: 'v', Mountpoint: '/m' }, Err: '' };

t.test('sends byte for byte what Docker sends', async (t) => {
  const { server, plugin } = await pair(t, (socket) => socket.write(ok('{"Err":"","Scope":"local"}')));
  const { signal } = new AbortController();
  const head = (name: string, length: number) =>
    `POST /${name} HTTP/1.1\r\nHost: plugin.moby.localhost\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: ${length}\r\nAccept: application/vnd.docker.plugins.v1.2+json\r\n\r\n`;
  await plugin.call(create, { Name: 'ü', Opts: null }, signal);
  await plugin.call(capabilities, {}, signal);
  await plugin.call(networkMethods.getCapabilities, {}, signal);
  t.same(
    server.requests,
    [
      `${head('VolumeDriver.Create', 26)}{"Name":"ü","Opts":null}\n`,
      `${head('VolumeDriver.Capabilities', 3)}{}\n`,
      head('NetworkDriver.GetCapabilities', 0),
    ].map((text) => Buffer.from(text).toString('latin1')),
  );
  t.ok(server.connections() <= 3);
});

type Row = {
  name: string;
  respond: Respond;
  method?: typeof get;
  /** The answer, or the code and a part of the message of the error. */
  expect: object | { code: string; text?: string | RegExp };
  code?: string;
  text?: RegExp;
  /** The connection is used for the next call too. */
  reused?: boolean;
};

const say =
  (bytes: string): Respond =>
  (socket) =>
    void socket.write(bytes);
const sayAndEnd =
  (bytes: string): Respond =>
  (socket) =>
    void socket.end(bytes);
const chunked = (body: string) =>
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body.slice(0, 9).length.toString(16)};x=y\r\n${body.slice(0, 9)}\r\n${body.slice(9).length.toString(16)}\r\n${body.slice(9)}\r\n0\r\nTrailer: x\r\n\r\n`;
const byteByByte =
  (bytes: string): Respond =>
  async (socket) => {
    for (const byte of bytes) {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

const bad = (code: string, text: RegExp) => ({ expect: {}, code, text });
const good = { expect: volume };

const rows: readonly Row[] = [
  { name: 'with a length', respond: say(ok(GOOD)), ...good, reused: true },
  { name: 'chunked, with an extension and a trailer', respond: say(chunked(GOOD)), ...good, reused: true },
  { name: 'chunked, a byte at a time', respond: byteByByte(chunked(GOOD)), ...good, reused: true },
  { name: 'with a length, a byte at a time', respond: byteByByte(ok(GOOD)), ...good, reused: true },
  { name: 'without a length, to the end', respond: sayAndEnd(`HTTP/1.1 200 OK\r\n\r\n${GOOD}`), ...good },
  { name: 'HTTP/1.0', respond: sayAndEnd(`HTTP/1.0 200 OK\r\n\r\n${GOOD}`), ...good },
  {
    name: 'Connection: close',
    respond: say(answer(200, GOOD, 'Connection: close\r\n')),
    ...good,
    reused: false,
  },
  {
    name: '100 Continue first',
    respond: say(`HTTP/1.1 100 Continue\r\n\r\n${ok(GOOD)}`),
    ...good,
    reused: true,
  },
  { name: 'no reason phrase', respond: say(ok(GOOD).replace(' X', '')), ...good, reused: true },
  { name: 'two answers at once', respond: say(ok(GOOD) + ok('{}')), ...good, reused: false },
  { name: 'trailing bytes after the JSON', respond: say(ok(`${GOOD}\n<hr>{}`)), ...good, reused: true },
  {
    name: 'keys in another case, unknown keys',
    respond: say(ok('{"volume":{"NAME":"v","mountPoint":"/m","Extra":[1]},"err":"","More":{}}')),
    ...good,
  },
  {
    name: 'null for what is absent',
    respond: say(ok('{"Volume":{"Name":"v","Mountpoint":null},"Err":null}')),
    expect: { Volume: { Name: 'v' } },
  },
  {
    name: 'an empty object as list',
    method: list,
    respond: say(ok('{"Volumes":{}}')),
    expect: { Volumes: [] },
  },
  {
    name: 'half a body',
    respond: sayAndEnd(ok(GOOD).slice(0, -9)),
    ...bad('DRIVER_BAD_ANSWER', /ended in the middle/),
  },
  {
    name: 'half a chunk',
    respond: sayAndEnd(chunked(GOOD).slice(0, -30)),
    ...bad('DRIVER_BAD_ANSWER', /ended in the middle/),
  },
  {
    name: 'half a header',
    respond: sayAndEnd('HTTP/1.1 200 OK\r\nCont'),
    ...bad('DRIVER_BAD_ANSWER', /ended in the middle/),
  },
  { name: 'garbage', respond: say('\x16\x03\x01 what?'), ...bad('DRIVER_BAD_ANSWER', /not an HTTP answer/) },
  {
    name: 'a bad status line',
    respond: say('HTTP/2 200\r\n\r\n'),
    ...bad('DRIVER_BAD_ANSWER', /status line/),
  },
  {
    name: 'a bad header line',
    respond: say('HTTP/1.1 200 OK\r\nnonsense\r\n\r\n'),
    ...bad('DRIVER_BAD_ANSWER', /header line/),
  },
  {
    name: 'a bad length',
    respond: say('HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'),
    ...bad('DRIVER_BAD_ANSWER', /content length/),
  },
  {
    name: 'two lengths',
    respond: say('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}'),
    ...bad('DRIVER_BAD_ANSWER', /content length/),
  },
  {
    name: 'a bad chunk size',
    respond: say('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'),
    ...bad('DRIVER_BAD_ANSWER', /chunk size/),
  },
  {
    name: 'a chunk longer than its size',
    respond: say('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n'),
    ...bad('DRIVER_BAD_ANSWER', /chunk/),
  },
  {
    name: 'a coding that was not asked for',
    respond: say('HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n'),
    ...bad('DRIVER_BAD_ANSWER', /transfer encoding/),
  },
  {
    name: 'a huge header',
    respond: say(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(300_000)}`),
    ...bad('DRIVER_BAD_ANSWER', /header longer/),
  },
  {
    name: 'a huge length',
    respond: say('HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n'),
    ...bad('DRIVER_BAD_ANSWER', /answer longer/),
  },
  {
    name: 'more body than the limit, without a length',
    respond: say(`HTTP/1.1 200 OK\r\n\r\n${' '.repeat(70_000)}`),
    ...bad('DRIVER_BAD_ANSWER', /answer longer/),
  },
  { name: 'an empty 200', respond: say(ok('')), ...bad('DRIVER_BAD_ANSWER', /empty/) },
  {
    name: 'a 200 that is not JSON',
    respond: say(ok('not json')),
    ...bad('DRIVER_BAD_ANSWER', /not JSON: "not json"/),
  },
  { name: 'a 200 of half JSON', respond: say(ok('{"Volume":{')), ...bad('DRIVER_BAD_ANSWER', /not JSON/) },
  {
    name: 'a 200 with another JSON value',
    respond: say(ok('[]')),
    ...bad('DRIVER_BAD_ANSWER', /expected object, found array/),
  },
  {
    name: 'wrong types',
    respond: say(ok('{"Volume":{"Name":7,"Mountpoint":{}}}')),
    ...bad('DRIVER_BAD_ANSWER', /Volume.Name: expected string, found number; Volume.Mountpoint/),
  },
  {
    name: 'no mountpoint',
    method: mount,
    respond: say(ok('{"Err":""}')),
    ...bad('DRIVER_BAD_ANSWER', /Mountpoint: missing/),
  },
  {
    name: 'an empty 204',
    respond: say('HTTP/1.1 204 No Content\r\n\r\n'),
    ...bad('DRIVER_ERROR', /^VolumeDriver.Get: $/),
  },
  { name: 'a 201', respond: say(answer(201, GOOD)), ...bad('DRIVER_ERROR', /^VolumeDriver.Get: \{"Volume/) },
  { name: 'a 200 with Err', respond: say(ok('{"Err":"boom"}')), ...bad('DRIVER_ERROR', /^boom$/) },
  {
    name: 'a result and an Err',
    respond: say(ok('{"Volume":{"Name":"v"},"Err":"boom"}')),
    ...bad('DRIVER_ERROR', /^boom$/),
  },
  {
    name: 'a 500 with Err',
    respond: say(answer(500, '{"Err":"boom"}')),
    ...bad('DRIVER_ERROR', /^VolumeDriver.Get: boom$/),
  },
  {
    name: 'a 500 of plain text',
    respond: say(answer(500, 'plain text failure\n')),
    ...bad('DRIVER_ERROR', /^VolumeDriver.Get: plain text failure\n$/),
  },
  {
    name: 'a 404 page',
    respond: say(answer(404, '<html>404 page not found</html>')),
    ...bad('DRIVER_ERROR', /^VolumeDriver.Get: <html>404/),
  },
  {
    name: 'a hang-up before any answer',
    respond: (socket) => socket.end(),
    ...bad('DRIVER_CONNECTION_LOST', /without an answer/),
  },
];

for (const row of rows) {
  t.test(`reads ${row.name}`, async (t) => {
    const limits = { headBytes: 256 * 1024, bodyBytes: 64 * 1024 };
    const { server, plugin } = await pair(t, row.respond, limits);
    const { signal } = new AbortController();
    const outcome = await plugin.call(row.method ?? get, { Name: 'v' }, signal).catch((error) => error);
    if (row.code === undefined) t.same(outcome, row.expect);
    else {
      t.ok(isHostError(outcome), String(outcome));
      t.match(outcome, { code: row.code, message: row.text });
    }
    t.equal(server.requests.length, 1, 'the request was sent once');
    if (row.reused !== undefined) {
      await unprovenPause();
      await plugin.call(row.method ?? get, { Name: 'v' }, signal);
      t.equal(server.connections(), row.reused ? 1 : 2, row.reused ? 'reused' : 'on a fresh connection');
    }
  });
}

t.test('gives up a slow drip by the signal, and never sends it again', async (t) => {
  let dripped = 0;
  const started = Promise.withResolvers<void>();
  const { server, plugin } = await pair(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n');
    const timer = setInterval(() => {
      socket.write(' ');
      if (++dripped === 3) started.resolve();
    }, 1);
    socket.on('close', () => clearInterval(timer));
  });
  const abort = new AbortController();
  const call = plugin.call(get, { Name: 'v' }, abort.signal);
  await started.promise;
  const reason = new Error('deadline');
  abort.abort(reason);
  t.equal(await call.catch((error) => error), reason);
  t.equal(server.requests.length, 1);
});

t.test('a connection closed between requests', async (t) => {
  t.test('at once after the answer: the next call goes out on a fresh one', async (t) => {
    const { server, plugin } = await pair(t, (socket) => void socket.end(ok(GOOD)));
    for (let nth = 0; nth < 20; nth++)
      t.same(await plugin.call(get, { Name: 'v' }, new AbortController().signal), volume);
    t.equal(server.requests.length, 20);
  });
  t.test('with the request unread: the same request, once more, on a fresh one', async (t) => {
    const sleeping: Socket[] = [];
    const { server, plugin } = await pair(t, (socket, { connection }) => {
      socket.write(ok(GOOD));
      if (connection > 0) return;
      socket.pause(); // what does not fit into its buffer stays unread
      sleeping.push(socket);
    });
    const { signal } = new AbortController();
    await plugin.call(get, { Name: 'v' }, signal);
    await unprovenPause();
    const long = { Name: 'w', Opts: { o: 'x'.repeat(1_000_000) } };
    const second = plugin.call(create, long, signal);
    setTimeout(() => sleeping[0]?.destroy(), 20);
    t.same(await second, { Err: '' });
    const bodies = server.requests.map((text) => text.split('\r\n\r\n')[1]);
    t.same(bodies, ['{"Name":"v"}\n', `${JSON.stringify(long)}\n`]);
  });
  t.test('with the request read: an error, for it may have been done', async (t) => {
    const { server, plugin } = await pair(t, (socket, { nth }) => {
      if (nth === 0) socket.write(ok(GOOD));
      else socket.destroy();
    });
    const { signal } = new AbortController();
    await plugin.call(get, { Name: 'v' }, signal);
    await unprovenPause();
    const error = await plugin.call(create, { Name: 'w', Opts: null }, signal).catch((error) => error);
    t.match(error, { kind: 'Unavailable', code: 'DRIVER_CONNECTION_LOST' });
    t.equal(server.requests.length, 2);
  });
  t.test('in the middle of an answer: an error', async (t) => {
    const { server, plugin } = await pair(t, (socket) => {
      socket.write(ok(GOOD).slice(0, -5), () => setTimeout(() => socket.destroy(), 5));
    });
    const error = await plugin.call(get, { Name: 'v' }, new AbortController().signal).catch((error) => error);
    t.match(error, { code: /DRIVER_BAD_ANSWER|DRIVER_CONNECTION_LOST/ });
    t.equal(server.requests.length, 1);
  });
});

t.test('nobody there: Unavailable at once, with the address', async (t) => {
  const path = join(dir, 'nobody.sock');
  const plugin = new DockerHttp('p', unixAddress(path));
  const error = await plugin.call(get, { Name: 'v' }, new AbortController().signal).catch((error) => error);
  t.match(error, {
    kind: 'Unavailable',
    code: 'DRIVER_UNAVAILABLE',
    message: /ENOENT/,
    details: { address: `unix://${path}` },
  });
});

t.test('many calls at once, more than the backlog takes', async (t) => {
  const { plugin } = await pair(t, (socket) => void setImmediate(() => socket.write(ok(GOOD))));
  const { signal } = new AbortController();
  const answers = await Promise.all(
    Array.from({ length: 1000 }, () => plugin.call(get, { Name: 'v' }, signal)),
  );
  t.equal(answers.length, 1000);
});

t.test('the source names no Content-Type', async (t) => {
  const source = readFileSync(
    new URL('../../../../core/host/carriers/docker-http.ts', import.meta.url),
    'utf8',
  );
  t.notMatch(source, /content-type/i);
});
