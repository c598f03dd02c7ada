/** Drivers over JSON-RPC: found, activated, called, lost and found again, and no different to their callers. */
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type LogDriver, type LogEntry, logPoint } from '@gantry/plugin-sdk/contracts/log.ts';
import { type MountDriver, mountPoint } from '@gantry/plugin-sdk/contracts/mount.ts';
import { type RuntimeDriver, runtimePoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { type VolumeDriver, volumePoint } from '@gantry/plugin-sdk/contracts/volume.ts';
import { asHostError, HostError } from '@gantry/plugin-sdk/errors.ts';
import type { DriverModule, ExtensionPoint } from '@gantry/plugin-sdk/extension-point.ts';
import { serve } from '@gantry/plugin-sdk/serve.ts';
import t, { type Test } from 'tap';
import { DriverHost } from '../../../../core/host/driver-host.ts';
import { bindDriver } from '../../../../drivers/mount-bind/driver.ts';

const { signal } = new AbortController();
const points = [volumePoint, mountPoint, runtimePoint, logPoint] as readonly ExtensionPoint<unknown>[];

interface Place {
  readonly dir: string;
  readonly rpc: (name: string) => string;
  readonly docker: (name: string) => string;
}

function place(t: Test): Place {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-rpc-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return {
    dir,
    rpc: (name) => join(dir, 'drivers', `${name}.sock`),
    docker: (name) => join(dir, 'plugins', `${name}.sock`),
  };
}

async function hostAt(t: Test, { dir }: Place, builtins: readonly DriverModule<unknown>[] = []) {
  const lines: unknown[] = [];
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, ...fields });
  const host = new DriverHost({
    points,
    builtins,
    dirs: { driver: [join(dir, 'drivers')], socket: [join(dir, 'plugins')], spec: [] },
    rootDir: join(dir, 'root'),
    stateDir: join(dir, 'state'),
    log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
  });
  await host.start();
  t.teardown(() => host.stop());
  return { host, lines };
}

function memoryDriver(over: Partial<VolumeDriver> = {}): VolumeDriver {
  const volumes = new Set<string>();
  const find = (name: string) => {
    if (volumes.has(name)) return { mountpoint: `/volumes/${name}` };
    throw new HostError('NotFound', 'VOLUME_NOT_FOUND', `no such volume: ${name}`, { hint: 'look again' });
  };
  return {
    create: async ({ name }) => void volumes.add(name),
    remove: async ({ name }) => {
      find(name);
      volumes.delete(name);
    },
    mount: async ({ name }) => find(name),
    unmount: async ({ name }) => void find(name),
    path: async ({ name }) => find(name),
    get: async ({ name }) =>
      volumes.has(name) ? { name, ...find(name), status: { a: [1, null] } } : undefined,
    list: async () => [...volumes].map((name) => ({ name, mountpoint: '' })),
    capabilities: async () => ({ scope: 'global' }),
    ...over,
  };
}

async function served<T extends object>(t: Test, socket: string, point: ExtensionPoint<T>, driver: T) {
  const plugin = await serve(driver, { point, wire: 'json-rpc', socket, name: 'acme', version: '1.2.3' });
  t.teardown(() => plugin.close());
  return plugin;
}

/** What a caller sees of a driver, call by call. */
async function seenOf(driver: VolumeDriver): Promise<readonly unknown[]> {
  const call = { signal };
  const calls: readonly (() => Promise<unknown>)[] = [
    () => driver.capabilities({}, call),
    () => driver.list({}, call),
    () => driver.get({ name: 'a' }, call),
    () => driver.create({ name: 'a', options: null }, call),
    () => driver.create({ name: 'b', options: { size: '1' } }, call),
    () => driver.get({ name: 'a' }, call),
    () => driver.mount({ name: 'a', mountId: 'm' }, call),
    () => driver.path({ name: 'a' }, call),
    () => driver.unmount({ name: 'a', mountId: 'm' }, call),
    () => driver.remove({ name: 'a' }, call),
    () => driver.remove({ name: 'a' }, call),
    () => driver.mount({ name: 'none', mountId: 'm' }, call),
    () => driver.list({}, call),
  ];
  const seen: unknown[] = [];
  for (const each of calls) {
    seen.push(
      await each().catch((thrown: unknown) => {
        const { kind, code, message, hint } = asHostError(thrown);
        return { kind, code, message, hint };
      }),
    );
  }
  return seen;
}

t.test('the same calls have the same answers and errors in process and over JSON-RPC', async (t) => {
  const at = place(t);
  await served(t, at.rpc('far'), volumePoint, memoryDriver());
  const near = { point: volumePoint, name: 'near', requires: [], start: async () => memoryDriver() };
  const { host } = await hostAt(t, at, [near as DriverModule<unknown>]);
  const seen = await seenOf(await host.driver(volumePoint, 'far'));
  t.same(seen, await seenOf(await host.driver(volumePoint, 'near')));
  t.match(seen[10], { kind: 'NotFound', code: 'VOLUME_NOT_FOUND', hint: 'look again' });
  t.match(
    host.list().find(({ name }) => name === 'far'),
    { point: 'volume', carrier: 'json-rpc', state: 'ready', version: '1.2.3', address: /^unix:.*far\.sock$/ },
  );
  t.match(await host.everyDriver(volumePoint, { signal }), [{ name: 'near' }, { name: 'far' }]);
});

t.test('a driver of a point that Docker has no word for, and one that lacks optional methods', async (t) => {
  const at = place(t);
  await served<MountDriver>(t, at.rpc('binds'), mountPoint, bindDriver);
  await served(t, at.rpc('vols'), volumePoint, memoryDriver({ restore: async () => undefined }));
  await served(t, at.rpc('plain'), volumePoint, memoryDriver());
  await serve(memoryDriver(), { point: volumePoint, wire: 'docker', socket: at.docker('dock') }).then(
    (plugin) => t.teardown(() => plugin.close()),
  );
  const { host } = await hostAt(t, at);
  const mounts = await host.driver(mountPoint, 'binds');
  const request = { type: 'bind', source: at.dir, target: '/x', readOnly: true } as const;
  t.same(await mounts.resolve(request, { signal }), await bindDriver.resolve(request, { signal }));
  t.type((await host.driver(volumePoint, 'vols')).restore, 'function');
  t.equal((await host.driver(volumePoint, 'plain')).restore, undefined);
  await t.rejects(host.driver(volumePoint, 'binds'), {
    code: 'DRIVER_WRONG_KIND',
    message: 'plugin "binds" does not implement gantry.volume.v1: it implements [gantry.mount.v1]',
  });
  await t.rejects(host.driver(mountPoint, 'dock'), { code: 'DRIVER_NOT_FOUND' }, 'never dialled for it');
  const socket = at.docker('mounts');
  await t.rejects(serve(bindDriver, { point: mountPoint, wire: 'docker', socket }), { code: 'WIRE_ABSENT' });
  await t.rejects(serve({} as VolumeDriver, { point: volumePoint, wire: 'docker', socket }), {
    code: 'NOT_A_DRIVER',
    message: /create, remove, mount/,
  });
});

t.test('away, there, replaced: what waits is told, and the driver stays good', async (t) => {
  const at = place(t);
  const { host } = await hostAt(t, at);
  await t.rejects(host.driver(volumePoint, 'late'), { code: 'DRIVER_NOT_FOUND' });
  host.expect(volumePoint, 'late');
  await t.rejects(host.driver(volumePoint, 'late'), { code: 'DRIVER_UNAVAILABLE' });
  const appeared = Promise.withResolvers<void>();
  const stop = host.onAppear('late', () => appeared.resolve());
  const first = await served(t, at.rpc('late'), volumePoint, memoryDriver());
  await appeared.promise;
  stop();
  const driver = await host.driver(volumePoint, 'late');
  await driver.create({ name: 'a', options: null }, { signal });
  await first.close();
  await t.rejects(driver.list({}, { signal }), { code: /^DRIVER_(UNAVAILABLE|CONNECTION_LOST)$/ });
  await served(t, at.rpc('late'), volumePoint, memoryDriver());
  t.same(await driver.list({}, { signal }), [], 'the new one');
});

t.test('a call is given up on the other side too; what it said of its progress is shown', async (t) => {
  const at = place(t);
  const left = Promise.withResolvers<unknown>();
  const driver = memoryDriver({
    create: (_volume, call) => {
      call.progress?.({ text: 'formatting', done: 3, total: 7 });
      call.signal.addEventListener('abort', () => left.resolve(call.signal.reason));
      return new Promise(() => undefined);
    },
  });
  await served(t, at.rpc('slow'), volumePoint, driver);
  const { host } = await hostAt(t, at);
  const abort = new AbortController();
  const call = (await host.driver(volumePoint, 'slow')).create({ name: 'a', options: null }, abort);
  call.catch(() => undefined);
  const row = () => host.list().find(({ name }) => name === 'slow');
  while (row()?.inFlight[0]?.progress === undefined) await new Promise((turn) => setImmediate(turn));
  t.match(row()?.inFlight, [{ method: 'create', progress: { text: 'formatting', done: 3, total: 7 } }]);
  abort.abort();
  await t.rejects(call, { code: 'CANCELED' });
  t.match(await left.promise, { kind: 'Canceled' });
  t.same(row()?.inFlight, []);
});

t.test('waiting for the end of any number of tasks leaves room for other calls', async (t) => {
  const at = place(t);
  const ended = Promise.withResolvers<{ code: number; at: string; oomKilled: boolean }>();
  const none = async () => undefined;
  const runtime: RuntimeDriver = {
    create: async () => ({ pid: 1 }),
    start: none,
    signal: none,
    attach: async () => ({ path: '/x', framing: 'seqpacket-tagged' }),
    resize: none,
    wait: () => ended.promise,
    state: async () => ({ status: 'running', pid: 1 }),
    delete: none,
    list: async () => ['a'],
    version: async () => ({ name: 'far', version: '1' }),
  };
  await served(t, at.rpc('far'), runtimePoint, runtime);
  const { host } = await hostAt(t, at);
  const driver = await host.driver(runtimePoint, 'far');
  const waits = Array.from({ length: 300 }, (_, id) => driver.wait({ id: String(id) }, { signal }));
  t.same(await driver.state({ id: 'a' }, { signal }), { status: 'running', pid: 1 });
  ended.resolve({ code: 3, at: '2026-01-01T00:00:00Z', oomKilled: false });
  t.equal(new Set((await Promise.all(waits)).map(({ code }) => code)).size, 1);
});

t.test('bytes arrive as they were', async (t) => {
  const at = place(t);
  const taken: LogEntry[] = [];
  const log: LogDriver = {
    capabilities: async () => ({ readLogs: false }),
    start: async () => undefined,
    stop: async () => undefined,
    append: async ({ entries, mark }) => {
      taken.push(...entries);
      return { taken: entries.length, mark: `${mark}+` };
    },
  };
  await served(t, at.rpc('sink'), logPoint, log);
  const { host } = await hostAt(t, at);
  const driver = await host.driver(logPoint, 'sink');
  const line = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const entry = { source: 'stderr', time: '2026-01-02T03:04:05.123456789Z', line } as const;
  const answer = await driver.append?.({ containerId: 'c', entries: [entry], mark: 'm' }, { signal });
  t.same(answer, { taken: 1, mark: 'm+' });
  t.same(
    taken.map((one) => [...one.line]),
    [[...line]],
  );
  t.match(taken, [{ source: 'stderr', time: entry.time }]);
});

t.test('what a driver logs comes to the daemon’s log, under its name', async (t) => {
  const at = place(t);
  const plugin = await served(t, at.rpc('noisy'), volumePoint, memoryDriver());
  const { host, lines } = await hostAt(t, at);
  const driver = await host.driver(volumePoint, 'noisy');
  plugin.log.warn({ disk: 'sda' }, 'disk is full');
  await driver.list({}, { signal });
  t.match(lines, [{ level: 'warn', message: 'disk is full', driver: 'noisy', disk: 'sda' }]);
});

/** Listens and does with each connection as told. */
async function listening(t: Test, socket: string, on: (peer: Socket) => void) {
  mkdirSync(dirname(socket), { recursive: true });
  const peers = new Set<Socket>();
  const server = createServer((peer) => {
    peers.add(peer.on('error', () => undefined));
    on(peer);
  }).listen(socket);
  await once(server, 'listening');
  t.teardown(() => {
    for (const peer of peers) peer.destroy();
    server.close();
  });
}

/** A driver of hand-made answers: method to the text of `result`, or to a whole line. */
function answering(answers: Readonly<Record<string, string>>) {
  const activation =
    '{"protocol":1,"name":"x","version":"","points":[{"id":"gantry.volume.v1","methods":["list","create"]}]}';
  return (peer: Socket): void => {
    peer.setEncoding('utf8').on('data', (text) => {
      for (const line of String(text).split('\n').filter(Boolean)) {
        const { id, method } = JSON.parse(line) as { id?: number; method: string };
        const answer = { 'gantry.activate': activation, ...answers }[method] ?? 'null';
        if (id !== undefined)
          peer.write(
            answer.startsWith('!') ? answer.slice(1) : `{"jsonrpc":"2.0","id":${id},"result":${answer}}\n`,
          );
      }
    });
  };
}

t.test('a driver that speaks badly is a bad driver, not a fault of the host', async (t) => {
  const list = 'gantry.volume.v1.list';
  const rows: readonly (readonly [
    string,
    (peer: Socket) => void,
    { code: string; message?: string | RegExp },
  ])[] = [
    ['hangs up', (peer) => peer.destroy(), { code: 'DRIVER_CONNECTION_LOST' }],
    ['speaks HTTP', (peer) => peer.write('HTTP/1.1 400 Bad Request\r\n\r\n'), { code: 'DRIVER_BAD_ANSWER' }],
    [
      'answers half',
      answering({ [list]: '!{"jsonrpc":"2.0","id":2,"resu\n' }),
      { code: 'DRIVER_BAD_ANSWER' },
    ],
    ['endless line', (peer) => peer.write('x'.repeat(17 << 20)), { code: 'DRIVER_BAD_ANSWER' }],
    [
      'wrong type',
      answering({ [list]: '[{"name":1}]' }),
      { code: 'DRIVER_BAD_ANSWER', message: /0\.name must be string/ },
    ],
    [
      'no activation',
      answering({ 'gantry.activate': '{}' }),
      { code: 'DRIVER_BAD_ANSWER', message: /protocol/ },
    ],
    [
      'an error of ours',
      answering({
        [list]:
          '!{"jsonrpc":"2.0","id":2,"error":{"code":1,"message":"m","data":{"kind":"Unavailable","code":"DRIVER_UNAVAILABLE"}}}\n',
      }),
      { code: 'DRIVER_ERROR', message: 'm' },
    ],
  ];
  for (const [name, on, expected] of rows) {
    const at = place(t);
    await listening(t, at.rpc('bad'), on);
    const { host } = await hostAt(t, at);
    const call = host.driver(volumePoint, 'bad').then((driver) => driver.list({}, { signal }));
    await t.rejects(call, expected, name);
  }
});

t.test('a driver that lost its connection is called on a new one', async (t) => {
  const at = place(t);
  const peers: Socket[] = [];
  const answer = answering({ 'gantry.volume.v1.list': '[]' });
  await listening(t, at.rpc('d'), (peer) => {
    peers.push(peer);
    answer(peer);
  });
  const { host } = await hostAt(t, at);
  const driver = await host.driver(volumePoint, 'd');
  /** A call may meet the loss before the host has heard of it: the next one does not. */
  const list = async () => {
    for (let tries = 0; ; tries++) {
      try {
        return await driver.list({}, { signal });
      } catch (error) {
        if (asHostError(error).code !== 'DRIVER_CONNECTION_LOST' || tries === 4) throw error;
      }
    }
  };
  for (let round = 1; round <= 3; round++) {
    t.same(await list(), []);
    t.equal(peers.length, round);
    peers.at(-1)?.destroy();
    await once(peers.at(-1) as Socket, 'close');
  }
});

t.test('serving ends cleanly: calls in flight are told, and the socket goes', async (t) => {
  const at = place(t);
  const driver = memoryDriver({
    create: (_volume, call) =>
      new Promise((_resolve, reject) => {
        call.signal.addEventListener('abort', () => reject(call.signal.reason));
      }),
  });
  const plugin = await served(t, at.rpc('p'), volumePoint, driver);
  await t.rejects(serve(driver, { point: volumePoint, wire: 'json-rpc', socket: at.rpc('p') }), {
    code: 'SOCKET_IN_USE',
  });
  const { host } = await hostAt(t, at);
  const far = await host.driver(volumePoint, 'p');
  const call = far.create({ name: 'a', options: null }, { signal });
  call.catch(() => undefined);
  await far.list({}, { signal });
  await plugin.close();
  await t.rejects(call, { kind: 'Canceled', code: 'PLUGIN_STOPPING' });
  await t.rejects(far.list({}, { signal }), { code: /^DRIVER_(UNAVAILABLE|CONNECTION_LOST)$/ });
});
