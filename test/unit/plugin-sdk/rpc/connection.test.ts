/** JSON-RPC over real sockets: both ways, given up, cut off, and spoken badly. */
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HostError, isHostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { ExtensionPoint } from '@gantry/plugin-sdk/extension-point.ts';
import { faultsOf } from '@gantry/plugin-sdk/rpc/check.ts';
import { RpcConnection, RpcLost, type RpcOptions } from '@gantry/plugin-sdk/rpc/connection.ts';
import { errorFromWire, errorToWire } from '@gantry/plugin-sdk/rpc/errors.ts';
import { messagesAt } from '@gantry/plugin-sdk/rpc/points.ts';
import t, { type Test } from 'tap';

const dir = mkdtempSync(join(tmpdir(), 'gantry-rpc-'));
t.teardown(() => rmSync(dir, { recursive: true, force: true }));
let sockets = 0;

/** Two ends of a unix socket. */
async function pair(t: Test): Promise<readonly [Socket, Socket]> {
  const path = join(dir, `${++sockets}.sock`);
  const server = createServer().listen(path);
  await once(server, 'listening');
  const near = createConnection({ path });
  const [far] = (await once(server, 'connection')) as [Socket];
  t.teardown(() => {
    for (const socket of [near, far]) socket.on('error', () => undefined).destroy();
    server.close();
  });
  return [near, far];
}

async function connected(t: Test, serve: RpcOptions, options: RpcOptions = {}) {
  const [near, far] = await pair(t);
  return { caller: new RpcConnection(near, options), served: new RpcConnection(far, serve), near, far };
}

/** What comes in until the other side closes, as lines. */
async function linesOf(socket: Socket): Promise<readonly string[]> {
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  await once(socket, 'close');
  return text.split('\n').filter(Boolean);
}

t.test('every method of every contract has its messages, each described by a schema', async (t) => {
  const contracts = readdirSync('plugin-sdk/contracts').filter((file) => file.endsWith('.ts'));
  const points: ExtensionPoint<unknown>[] = [];
  for (const file of contracts) {
    const exported: Record<string, unknown> = await import(`../../../../plugin-sdk/contracts/${file}`);
    for (const value of Object.values(exported)) {
      const { id, methods } = (value ?? {}) as { id?: unknown; methods?: unknown };
      if (typeof id === 'string' && typeof methods === 'object')
        points.push(value as ExtensionPoint<unknown>);
    }
  }
  t.ok(points.length >= 4, `${points.length} points`);
  for (const point of points) {
    const messages = messagesAt(point.id);
    t.same(Object.keys(messages ?? {}).sort(), Object.keys(point.methods).sort(), point.id);
    for (const [method, { params, result }] of Object.entries(messages ?? {})) {
      t.match(faultsOf(params, 'no object'), /must be object/, `${point.id}.${method}`);
      t.type(faultsOf(result, Symbol('nothing like it').description), 'string', `${point.id}.${method}`);
    }
  }
});

t.test('answers any number of calls, in the order in which they end', async (t) => {
  const waiting = new Map<number, () => void>();
  const { caller } = await connected(t, {
    serve: (_method, params) =>
      new Promise((resolve) => {
        const { n } = params as { n: number };
        waiting.set(n, () => resolve({ n }));
        if (waiting.size < 500) return;
        setImmediate(() => {
          for (const answer of [...waiting.values()].reverse()) answer();
        });
      }),
  });
  const ended: number[] = [];
  const calls = Array.from({ length: 500 }, (_, n) =>
    caller.request('echo', { n }).then((answer) => {
      ended.push(n);
      return answer;
    }),
  );
  t.same(
    await Promise.all(calls),
    Array.from({ length: 500 }, (_, n) => ({ n })),
  );
  t.equal(ended[0], 499);
});

t.test('both sides call, over one connection', async (t) => {
  const told: unknown[] = [];
  const { caller, served } = await connected(
    t,
    { serve: async (method) => `${method} of the far side` },
    {
      serve: async (method) => `${method} of the near side`,
      notified: (...all) => told.push(all),
    },
  );
  served.notify('note', { a: 1 });
  t.equal(await served.request('ask', {}), 'ask of the near side');
  t.equal(await caller.request('ask', {}), 'ask of the far side');
  t.same(told, [['note', { a: 1 }]]);
});

t.test('an error passes with kind, code, hint, details and cause', async (t) => {
  const thrown = new HostError('Conflict', 'VOLUME_IN_USE', 'remove "a": it is mounted', {
    hint: 'stop c1',
    details: { containers: ['c1'] },
    cause: new Error('EBUSY'),
  });
  const { caller } = await connected(t, { serve: () => Promise.reject(thrown) });
  const got = await caller.request('x', {}).catch((error: unknown) => error);
  if (!isHostError(got)) return t.fail(String(got));
  const { kind, code, message, hint, details } = got;
  t.same(
    { kind, code, message, hint, details },
    {
      kind: 'Conflict',
      code: 'VOLUME_IN_USE',
      message: 'remove "a": it is mounted',
      hint: 'stop c1',
      details: { containers: ['c1'] },
    },
  );
  t.equal(messageChain(got), 'remove "a": it is mounted: EBUSY');
  t.match(errorFromWire(errorToWire(new TypeError('oops'))), {
    kind: 'Internal',
    code: 'INTERNAL',
    message: 'oops',
  });
});

t.test('an error of a driver that knows nothing of kinds is its own words', async (t) => {
  const rows = [
    { code: -1, message: 'disk full' },
    { code: -1, message: 'disk full', data: 'text' },
    { code: -1, message: 'disk full', data: { kind: 'Strange', code: 'X' } },
    { code: -1, message: 'disk full', data: { kind: 'NotFound', code: 'not a code' } },
  ];
  for (const row of rows) {
    t.match(errorFromWire(row), { kind: 'Unknown', code: 'DRIVER_ERROR', message: 'disk full' });
  }
  t.match(errorFromWire({ code: -32601, message: 'no' }), { kind: 'NotImplemented' });
});

t.test('a caller that leaves is heard on the other side, and its late answer hurts nobody', async (t) => {
  const left = Promise.withResolvers<unknown>();
  const answer = Promise.withResolvers<string>();
  const { caller } = await connected(t, {
    serve: (method, _params, { signal }) => {
      if (method === 'quick') return Promise.resolve('quick');
      signal.addEventListener('abort', () => left.resolve(signal.reason));
      return answer.promise;
    },
  });
  const abort = new AbortController();
  const call = caller.request('slow', {}, { signal: abort.signal });
  const reason = new Error('enough');
  abort.abort(reason);
  t.equal(await call.catch((error: unknown) => error), reason);
  t.match(await left.promise, { kind: 'Canceled', code: 'CANCELED' });
  answer.resolve('late');
  t.equal(await caller.request('quick', {}), 'quick');
  t.equal(await caller.request('x', {}, { signal: abort.signal }).catch((error: unknown) => error), reason);
});

t.test('progress reaches the call it belongs to', async (t) => {
  const { caller } = await connected(t, {
    serve: async (_method, params, { progress }) => {
      for (let done = 0; done < 3; done++) progress({ done, total: 3, of: (params as { of: string }).of });
      return null;
    },
  });
  const seen: Record<string, unknown[]> = { a: [], b: [] };
  const ask = (of: string) => caller.request('x', { of }, { onProgress: (value) => seen[of]?.push(value) });
  await Promise.all([ask('a'), ask('b')]);
  for (const name of ['a', 'b'])
    t.match(
      seen[name],
      [0, 1, 2].map((done) => ({ done, total: 3, of: name })),
    );
});

t.test('a connection that breaks fails the calls of both sides', async (t) => {
  const left = Promise.withResolvers<unknown>();
  const { caller, near } = await connected(t, {
    serve: (_method, _params, { signal }) => {
      signal.addEventListener('abort', () => left.resolve(signal.reason));
      near.destroy();
      return new Promise(() => undefined);
    },
  });
  await t.rejects(caller.request('x', {}), { name: 'RpcLost', nonsense: false });
  t.match(await left.promise, { code: 'CANCELED' });
  t.equal(caller.open, false);
  await t.rejects(caller.request('x', {}), { name: 'RpcLost' });
});

t.test('nonsense is answered, where that can be, and ends the connection', async (t) => {
  const rows: readonly (readonly [string, string | RegExp, RegExp])[] = [
    ['not JSON', 'GET / HTTP/1.1\n', /"id":null,"error":\{"code":-32700,"message":"Parse error"\}/],
    ['half a message', '{"jsonrpc":"2.0","id":1\n', /-32700/],
    ['another version', '{"jsonrpc":"1.0","id":1,"method":"x"}\n', /-32600/],
    ['a batch', '[{"jsonrpc":"2.0","id":1,"method":"x"}]\n', /-32600/],
    ['a number', '17\n', /-32600/],
    [
      'an error for nobody',
      '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}\n',
      /^$/,
    ],
    ['a line without an end', `"${'x'.repeat(2000)}`, /^$/],
  ];
  for (const [name, bytes, said] of rows) {
    const [near, far] = await pair(t);
    const connection = new RpcConnection(far, { limits: { lineBytes: 1000 } });
    const lost = connection.request('pending', {}).catch((error: unknown) => error);
    const heard = linesOf(near);
    near.write(bytes as string);
    await connection.closed;
    const [, ...others] = await heard; // the first is the pending request
    t.match(others.join('\n'), said, name);
    const error = await lost;
    t.ok(error instanceof RpcLost && error.nonsense, `${name}: ${error}`);
  }
});

t.test('lines may come in any pieces; empty ones and answers to nobody are passed over', async (t) => {
  const [near, far] = await pair(t);
  const connection = new RpcConnection(far, { serve: async (_method, params) => params });
  const answered = Promise.withResolvers<string>();
  near.on('data', (bytes) => answered.resolve(String(bytes)));
  near.write('\n\r\n{"jsonrpc":"2.0","id":99,"result":1}\n{"jsonrpc":"2.0","id":"q","met');
  await new Promise((resolve) => setImmediate(resolve));
  near.write('hod":"x","params":{"text":"ü"}}\r\n');
  t.equal(await answered.promise, '{"jsonrpc":"2.0","id":"q","result":{"text":"ü"}}\n');
  t.equal(connection.open, true);
  connection.close();
});

t.test('more calls than are served at once are refused, the others go on', async (t) => {
  const hold = Promise.withResolvers<string>();
  const { caller } = await connected(t, { serve: () => hold.promise, limits: { serving: 2 } });
  const calls = [1, 2, 3].map(() => caller.request('x', {}));
  await t.rejects(calls[2] ?? Promise.resolve(), { kind: 'ResourceExhausted', code: 'RPC_BUSY' });
  hold.resolve('done');
  t.same(await Promise.all(calls.slice(0, 2)), ['done', 'done']);
});

t.test('a side that does not read is given up, not kept in memory', async (t) => {
  const [near, far] = await pair(t);
  near.pause();
  const connection = new RpcConnection(far, { limits: { unreadBytes: 1_000_000 } });
  let sent = 0;
  for (; connection.open && sent < 1000; sent++) connection.notify('note', { text: 'x'.repeat(10_000) });
  t.ok(sent < 1000, `${sent} sent`);
  near.destroy();
  await connection.closed;
});
