/** Attaching and leaving: detach keys, several clients, clients without `Upgrade`, WebSockets. Over the API. Needs root. */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';
import { attach, execInspect, makeExec, type Started, startExec } from './exec/client.ts';

const KEYS = '\x10\x11';
/** Says that it runs, and then says again what it is told; a terminal echoes nothing. */
const PARROT = 'stty -echo 2>/dev/null; echo ready; while read x; do echo "<$x>"; done; exit 4';

t.setTimeout(120_000);
const daemon = await startTestDaemon(t);
await daemon.loadBusybox();

/** Starts a container with stdin, whose command is `script`. */
async function box(t: Test, body: object, script = PARROT): Promise<string> {
  const {
    status,
    body: made,
    text,
  } = await daemon.api('POST', '/containers/create', {
    Image: 'busybox',
    Cmd: ['sh', '-c', script],
    OpenStdin: true,
    HostConfig: { NetworkMode: 'none' },
    ...body,
  });
  if (status !== 201) throw new Error(text);
  const { Id } = made as { Id: string };
  t.teardown(async () => void (await daemon.api('DELETE', `/containers/${Id}?force=1`)));
  return Id;
}

async function startBox(t: Test, body: object, script = PARROT): Promise<string> {
  const id = await box(t, body, script);
  await daemon.api('POST', `/containers/${id}/start`);
  return id;
}

const EVERYTHING = 'stream=1&stdin=1&stdout=1&stderr=1';

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 30_000; !(await isSo()); await delay(10)) {
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}`);
  }
}

const says = ({ soFar }: Started, text: string) => until(text, () => soFar().includes(text));

async function isRunning(daemon: TestDaemon, id: string): Promise<boolean> {
  const { body } = await daemon.api('GET', `/containers/${id}/json`);
  return (body as { State: { Running: boolean } }).State.Running;
}

async function actions(id: string): Promise<readonly string[]> {
  const query = `since=0&until=${Date.now() / 1000 + 1}&filters=${encodeURIComponent(JSON.stringify({ container: [id] }))}`;
  const { text } = await daemon.api('GET', `/events?${query}`);
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as { Action: string }).Action);
}

t.test('detach keys let the client go, and the container runs on', async (t) => {
  const id = await startBox(t, { Tty: true, StdinOnce: true });
  const rows: readonly (readonly [string, string, readonly string[]])[] = [
    ['the default keys, in one packet', '', [`${KEYS}dropped`]],
    ['in two', '', ['\x10', '\x11']],
    ['with input before', '', [`one\n\x10`, '\x11']],
    ['keys of its own', '&detachKeys=ctrl-a,d', ['\x10\x11\n', '\x01', 'd']],
    ['a letter', '&detachKeys=z', ['z']],
  ];
  for (const [name, query, packets] of rows) {
    const client = await attach(daemon, id, EVERYTHING + query);
    for (const packet of packets) {
      client.socket.write(packet);
      await delay(20);
    }
    await client.output;
    t.ok(await isRunning(daemon, id), name);
  }
  t.equal((await actions(id)).filter((action) => action === 'detach').length, rows.length);
  const last = await attach(daemon, id, EVERYTHING);
  last.socket.write('\x10again\n');
  await says(last, '<\x10again>');
  last.socket.write('\x04');
  await last.output;
  const { body } = await daemon.api('POST', `/containers/${id}/wait`);
  t.match(body, { StatusCode: 4 });
  const { stdout } = await daemon.docker(['logs', id]);
  t.match(stdout, /<one>/);
  t.notMatch(stdout, /dropped/);
});

t.test('a terminal has the size that its creation names', async (t) => {
  const HostConfig = { NetworkMode: 'none', ConsoleSize: [20, 50] };
  const id = await startBox(t, { Tty: true, HostConfig }, 'stty size');
  await daemon.api('POST', `/containers/${id}/wait`);
  t.equal((await daemon.docker(['logs', id])).stdout, '20 50\r\n');
});

t.test('without a terminal keys are bytes', async (t) => {
  const id = await box(t, { StdinOnce: true }, 'cat');
  const client = await attach(daemon, id, EVERYTHING);
  await daemon.api('POST', `/containers/${id}/start`);
  client.socket.end(`a${KEYS}b`);
  t.equal((await client.output).stdout.toString(), `a${KEYS}b`);
});

t.test('keys that are none are refused before the connection is taken over', async (t) => {
  const id = await startBox(t, { Tty: true });
  const { status, body } = await daemon.api('POST', `/containers/${id}/attach?stream=1&detachKeys=ctrl-7`);
  t.equal(status, 400);
  t.match(body, { message: /^Invalid detach keys \(ctrl-7\) provided/ });
  const exec = await daemon.api('POST', `/containers/${id}/exec`, { Cmd: ['true'], DetachKeys: 'xyz' });
  t.equal(exec.status, 400);
  t.match(exec.body, { message: /^Invalid escape keys \(xyz\) provided/ });
});

t.test('a paused container is not attached to', async (t) => {
  const id = await startBox(t, { Tty: true });
  await daemon.api('POST', `/containers/${id}/pause`);
  const { status, body } = await daemon.api('POST', `/containers/${id}/attach?stream=1`);
  await daemon.api('POST', `/containers/${id}/unpause`);
  t.equal(status, 409);
  t.match(body, { message: /is paused, unpause the container before attach/ });
});

t.test('detach from an exec: it runs on, and says so', async (t) => {
  const id = await startBox(t, { Tty: true });
  const body = { Cmd: ['sh', '-c', PARROT], Tty: true, AttachStdin: true, AttachStdout: true };
  const exec = await makeExec(daemon, id, { ...body, DetachKeys: 'ctrl-e' });
  const client = await startExec(daemon, exec, { terminal: true });
  await says(client, 'ready');
  client.socket.write('\x10\n');
  await says(client, '<\x10>');
  client.socket.write('\x05');
  await client.output;
  t.match(await execInspect(daemon, exec), { Running: true, ExitCode: null });
  t.ok((await actions(id)).includes('exec_detach'));
});

t.test('several clients at once see the same, and each may speak', async (t) => {
  const id = await startBox(t, {});
  const clients = await Promise.all([1, 2, 3].map(() => attach(daemon, id, EVERYTHING)));
  for (const [index, client] of clients.entries()) {
    client.socket.write(`from ${index}\n`);
    for (const each of clients) await says(each, `<from ${index}>`);
  }
  clients[0]?.socket.destroy();
  clients[1]?.socket.write('after\n');
  for (const each of clients.slice(1)) await says(each, '<after>');
});

t.test('a client whose input ends is let go where stdin stays open, as in Docker', async (t) => {
  const id = await startBox(t, {});
  const client = await attach(daemon, id, EVERYTHING);
  client.socket.end('typed\n');
  await client.output;
  await until('the log', async () => (await daemon.docker(['logs', id])).stdout.includes('<typed>'));
  t.ok(await isRunning(daemon, id));
});

t.test('a client that did not ask for an upgrade is heard too', async (t) => {
  const id = await startBox(t, {}, 'cat; echo end');
  const client = await attach(daemon, id, EVERYTHING, { upgrade: false, input: 'at once\n' });
  t.match(
    client.head,
    /^HTTP\/1\.1 200 OK\r\nContent-Type: application\/vnd\.docker\.multiplexed-stream\r\n\r\n$/,
  );
  await says(client, 'at once\n');
  client.socket.write('GET /later HTTP/1.1\r\n\r\n');
  await says(client, 'GET /later');

  const exec = await makeExec(daemon, id, { Cmd: ['cat'], AttachStdin: true, AttachStdout: true });
  const started = await startExec(daemon, exec, { upgrade: false, inPieces: true });
  t.match(started.head, /^HTTP\/1\.1 200 OK\r\n/);
  started.socket.end('POST /x HTTP/1.1\r\n\r\n');
  t.equal((await started.output).stdout.toString(), 'POST /x HTTP/1.1\r\n\r\n');
});

t.test(
  'a connection that served other requests can be taken over, and a refusal leaves no stream',
  async (t) => {
    const id = await startBox(t, {}, 'cat');
    const socket = connect(daemon.socket);
    let said = '';
    socket.setEncoding('latin1').on('data', (text: string) => {
      said += text;
    });
    t.teardown(() => void socket.destroy());
    socket.write('GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n');
    await until('the ping', () => said.includes('OK'));
    socket.write(`POST /containers/${id}/attach?${EVERYTHING} HTTP/1.1\r\nHost: d\r\n\r\nhello\n`);
    await until('the echo', () => said.endsWith('hello\n'));

    const refused = await daemon.api('POST', '/containers/nosuch/attach?stream=1');
    t.equal(refused.status, 404);
    const exec = await makeExec(daemon, id, { Cmd: ['true'] });
    t.equal((await daemon.api('POST', `/exec/${exec}/start`, { Detach: true })).status, 200);
  },
);

t.test('over a WebSocket', async (t) => {
  const id = await startBox(t, { Tty: true });
  const url = `ws+unix://${daemon.socket}:/v1.51/containers/${id}/attach/ws?${EVERYTHING}&logs=1`;
  const socket = new WebSocket(url);
  let said = '';
  socket.on('message', (data, isBinary) => {
    t.ok(isBinary);
    said += data.toString();
  });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  await until('what was written before', () => said.includes('ready'));
  socket.send('text\n');
  socket.send(Buffer.from('bytes\n'));
  await until('both', () => said.includes('<text>') && said.includes('<bytes>'));
  socket.send(KEYS);
  await closed;
  t.ok(await isRunning(daemon, id));
  t.equal((await daemon.api('GET', `/containers/${id}/attach/ws`)).status, 400);
});

t.test(
  'start -ai gives the exit code; a container that was attached before its start loses no byte',
  async (t) => {
    const id = await box(t, { StdinOnce: true }, 'cat; exit 5');
    const ran = await daemon.docker(['start', '-ai', id], { input: 'through\n' });
    t.same(ran, { stdout: 'through\n', stderr: '', code: 5 });
  },
);
