/** Plugins outside the daemon: found, activated, called, lost and found again, over real sockets. */
import { spawnSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type VolumeDriver, volumePoint } from '@gantry/plugin-sdk/contracts/volume.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { serve } from '@gantry/plugin-sdk/serve.ts';
import t, { type Test } from 'tap';
import { Discovery } from '../../../../core/host/discovery.ts';
import { DriverHost } from '../../../../core/host/driver-host.ts';
import { PluginWatch } from '../../../../core/host/plugin-watch.ts';
import { startVolumePlugin } from '../../../fakes/start-volume-plugin.ts';

const quiet = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
const { signal } = new AbortController();

function place(t: Test) {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-plugins-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const dirs = { socket: [join(dir, 'run')], spec: [join(dir, 'etc'), join(dir, 'lib')] };
  return { dir, dirs, sock: (name: string) => join(dir, 'run', `${name}.sock`) };
}

async function hostAt(t: Test, { dir, dirs }: ReturnType<typeof place>) {
  const host = new DriverHost({
    points: [volumePoint],
    builtins: [],
    dirs,
    rootDir: join(dir, 'root'),
    stateDir: join(dir, 'state'),
    log: quiet,
  });
  await host.start();
  t.teardown(() => host.stop());
  return host;
}

function memoryDriver(): VolumeDriver {
  const volumes = new Map<string, Readonly<Record<string, string>> | null>();
  const find = (name: string) => {
    if (!volumes.has(name)) throw new HostError('NotFound', 'VOLUME_NOT_FOUND', 'no such volume');
    return { mountpoint: `/volumes/${name}` };
  };
  return {
    create: async ({ name, options }) => void volumes.set(name, options),
    remove: async ({ name }) => {
      find(name);
      volumes.delete(name);
    },
    mount: async ({ name }) => find(name),
    unmount: async ({ name }) => void find(name),
    path: async ({ name }) => find(name),
    get: async ({ name }) =>
      volumes.has(name) ? { name, ...find(name), status: { at: volumes.get(name) } } : undefined,
    list: async () => [...volumes.keys()].map((name) => ({ name, mountpoint: '' })),
    capabilities: async () => ({ scope: 'global' }),
  };
}

async function served(t: Test, socket: string, driver: VolumeDriver = memoryDriver()) {
  const plugin = await serve(driver, { point: volumePoint, wire: 'docker', socket });
  t.teardown(() => plugin.close());
  return plugin;
}

/** A plugin that answers every request with `body`, and counts them by path. */
async function answering(t: Test, socket: string, body: (path: string) => string) {
  mkdirSync(dirname(socket), { recursive: true });
  const counts = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    counts.set(path, (counts.get(path) ?? 0) + 1);
    response.end(body(path));
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const close = () => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  };
  t.teardown(close);
  return { counts, close };
}

t.test('a driver served over Docker’s protocol is the driver it was', async (t) => {
  const at = place(t);
  await served(t, at.sock('mem'));
  const host = await hostAt(t, at);
  const driver = await host.driver(volumePoint, 'mem');
  await driver.create({ name: 'v', options: { size: '1' } }, { signal });
  await driver.create({ name: 'w', options: null }, { signal });
  t.same(await driver.get({ name: 'v' }, { signal }), {
    name: 'v',
    mountpoint: '/volumes/v',
    status: { at: { size: '1' } },
  });
  t.same(await driver.get({ name: 'w' }, { signal }), {
    name: 'w',
    mountpoint: '/volumes/w',
    status: { at: null },
  });
  t.equal(await driver.get({ name: 'x' }, { signal }), undefined);
  t.same(await driver.mount({ name: 'v', mountId: 'm' }, { signal }), { mountpoint: '/volumes/v' });
  await driver.unmount({ name: 'v', mountId: 'm' }, { signal });
  t.same(await driver.capabilities({}, { signal }), { scope: 'global' });
  await driver.remove({ name: 'v' }, { signal });
  await t.rejects(driver.remove({ name: 'v' }, { signal }), {
    code: 'DRIVER_ERROR',
    message: 'no such volume',
  });
  t.same(await driver.list({}, { signal }), [{ name: 'w', mountpoint: '' }]);
  t.match(host.list(), [
    {
      point: 'volume',
      name: 'mem',
      carrier: 'docker-http',
      address: `unix://${at.sock('mem')}`,
      state: 'ready',
      failures: 1,
    },
  ]);
});

t.test('finds plugins in Docker’s places, the first of a name only', async (t) => {
  const at = place(t);
  const sockets = ['run/a.sock', 'run/b/b.sock', 'run/first.sock', 'elsewhere/s.sock'];
  for (const path of sockets) {
    mkdirSync(dirname(join(at.dir, path)), { recursive: true });
    const server = createNetServer().listen(join(at.dir, path));
    t.teardown(() => new Promise((resolve) => server.close(resolve)));
  }
  symlinkSync(join(at.dir, 'elsewhere/s.sock'), at.sock('linked'));
  const files: Record<string, string> = {
    'run/file.sock': 'not a socket',
    'etc/first.spec': 'tcp://later:1',
    'etc/tcp.spec': ' tcp://example:8080/ignored\n',
    'etc/http.spec': 'http://example',
    'etc/unix.spec': 'unix:///some/where%20else.sock',
    'etc/nested/nested.spec': 'tcp://[::1]:99',
    'etc/both.spec': 'tcp://spec:1',
    'etc/both.json': '{"Addr":"tcp://json:1"}',
    'etc/tls.json':
      '{"name":"ignored","addr":"https://example","TLSConfig":{"CAFile":"/ca","CertFile":"/cert","KeyFile":"/key"}}',
    'etc/lax.json': '{"Addr":"https://example:1","TLSConfig":{"InsecureSkipVerify":false}}',
    'etc/plain.json': '{"Addr":"https://example:1"}',
    'lib/only/only.json': '{"Addr":"tcp://lib:1"}',
    'etc/noscheme.spec': '/run/x.sock',
    'etc/notjson.json': '{',
    'lib/notjson.json': '{"Addr":"tcp://hidden:1"}',
    'etc/noaddr.json': '{}',
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(at.dir, path)), { recursive: true });
    writeFileSync(join(at.dir, path), text);
  }
  const discovery = new Discovery(at.dirs);
  const found: Record<string, object> = {
    a: { kind: 'unix', path: at.sock('a'), hostHeader: 'plugin.moby.localhost' },
    b: { kind: 'unix', path: join(at.dir, 'run/b/b.sock') },
    first: { kind: 'unix' },
    linked: { kind: 'unix', path: at.sock('linked') },
    tcp: { kind: 'tcp', host: 'example', port: 8080, hostHeader: 'example:8080' },
    http: { kind: 'tcp', host: 'example', port: 80 },
    unix: { kind: 'unix', path: '/some/where else.sock' },
    nested: { kind: 'tcp', host: '::1', port: 99 },
    both: { host: 'spec' },
    tls: { kind: 'tls', port: 443, tls: { caFile: '/ca', certFile: '/cert', keyFile: '/key', verify: true } },
    lax: { kind: 'tls', tls: { verify: false } },
    plain: { kind: 'tls', tls: { verify: true } },
    only: { host: 'lib' },
  };
  for (const [name, address] of Object.entries(found))
    t.match(discovery.locate(name)?.address, address, name);
  for (const name of ['file', 'nobody', 's']) t.equal(discovery.locate(name), undefined, name);
  for (const name of ['noscheme', 'notjson', 'noaddr']) {
    t.throws(() => discovery.locate(name), { code: 'DRIVER_SPEC_BROKEN' }, name);
  }
  t.same(discovery.scan(), [...Object.keys(found), 'noscheme', 'notjson', 'noaddr'].sort());
  t.same(new Discovery({ socket: ['/nowhere'], spec: [at.sock('file')] }).scan(), []);

  const host = await hostAt(t, at);
  await t.rejects(host.driver(volumePoint, 'notjson'), { code: 'DRIVER_SPEC_BROKEN' });
  t.match(
    host.list().find(({ name }) => name === 'notjson'),
    { state: 'failed', reason: /read ".*notjson.json"/ },
  );
  t.match(
    host.list().find(({ name }) => name === 'a'),
    { point: '', state: 'declared', reason: 'not used yet' },
  );
});

t.test('reaches plugins over TCP and TLS as their spec files say', async (t) => {
  const at = place(t);
  const [key, cert] = [join(at.dir, 'key.pem'), join(at.dir, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
    ...[...subject, '-keyout', key, '-out', cert],
  ]);
  if (made.status !== 0) return t.fail(`openssl: ${made.error ?? made.stderr}`);
  const hosts = new Set<string | undefined>();
  const answer: RequestListener = (request, response) => {
    hosts.add(request.headers.host);
    response.end(request.url === '/Plugin.Activate' ? '{"Implements":["VolumeDriver"]}' : '{"Volumes":[]}');
  };
  const plain = createServer(answer);
  const secure = createSecureServer({ key: readFileSync(key), cert: readFileSync(cert) }, answer);
  const [port, securePort] = await Promise.all([plain, secure].map((server) => listenOnLocalhost(t, server)));
  mkdirSync(join(at.dir, 'etc'));
  const spec = (name: string, text: string) => writeFileSync(join(at.dir, 'etc', name), text);
  const json = (TLSConfig?: object) => JSON.stringify({ Addr: `https://localhost:${securePort}`, TLSConfig });
  spec('tcp.spec', `tcp://localhost:${port}\n`);
  spec('any.spec', `https://localhost:${securePort}`);
  spec('named.json', json({ CAFile: cert }));
  spec('lax.json', json({}));
  spec('strict.json', json());
  const host = await hostAt(t, at);
  for (const name of ['tcp', 'any', 'named', 'lax']) {
    const driver = await host.driver(volumePoint, name);
    t.same(await driver.list({}, { signal }), [], name);
  }
  await t.rejects(host.driver(volumePoint, 'strict'), { code: 'DRIVER_UNAVAILABLE', message: /SELF_SIGNED/ });
  t.same([...hosts].sort(), [`localhost:${port}`, `localhost:${securePort}`].sort());
});

async function listenOnLocalhost(t: Test, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

t.test('activates once, at first use, and asks what lasts once', async (t) => {
  const at = place(t);
  const { counts } = await answering(t, at.sock('p'), (path) =>
    path === '/Plugin.Activate'
      ? '{"implements":["other","VolumeDriver"]}'
      : '{"Capabilities":{"Scope":"Global"}}',
  );
  const host = await hostAt(t, at);
  t.match(host.list(), [{ point: '', name: 'p', state: 'declared' }]);
  t.equal(counts.size, 0, 'listing activates nothing');
  const drivers = await Promise.all(Array.from({ length: 9 }, () => host.driver(volumePoint, 'p')));
  for (const driver of drivers) t.same(await driver.capabilities({}, { signal }), { scope: 'global' });
  t.same(
    [...counts],
    [
      ['/Plugin.Activate', 1],
      ['/VolumeDriver.Capabilities', 1],
    ],
  );
});

t.test('a plugin of another kind is no driver of this point, and says what it is', async (t) => {
  const at = place(t);
  await answering(t, at.sock('net'), () => '{"Implements":["volumedriver","NetworkDriver"]}');
  const host = await hostAt(t, at);
  await t.rejects(host.driver(volumePoint, 'net'), {
    kind: 'FailedPrecondition',
    message: 'plugin "net" does not implement VolumeDriver: it implements [volumedriver, NetworkDriver]',
  });
  t.same(await host.everyDriver(volumePoint, { signal }), []);
});

t.test('an optional method that is refused counts as absent, and is asked again', async (t) => {
  const at = place(t);
  let capabilities = 'not json';
  const { counts } = await answering(t, at.sock('p'), (path) =>
    path === '/Plugin.Activate' ? '{"Implements":["VolumeDriver"]}' : capabilities,
  );
  const driver = await (await hostAt(t, at)).driver(volumePoint, 'p');
  t.same(await driver.capabilities({}, { signal }), { scope: 'local' });
  capabilities = '{"Capabilities":{"Scope":"global"}}';
  t.same(await driver.capabilities({}, { signal }), { scope: 'global' });
  t.equal(counts.get('/VolumeDriver.Capabilities'), 2);
});

t.test('everyDriver tells drivers from those that cannot be had, within the caller’s time', async (t) => {
  const at = place(t);
  await served(t, at.sock('good'));
  await answering(t, at.sock('bad'), () => 'not json');
  const hung = createNetServer(() => undefined).listen(at.sock('hung'));
  t.teardown(() => hung.close());
  const dead = createNetServer().listen(at.sock('gone'));
  await new Promise((resolve) => dead.once('listening', resolve));
  renameSync(at.sock('gone'), at.sock('dead'));
  await new Promise((resolve) => dead.close(resolve));
  const host = await hostAt(t, at);
  const found = await host.everyDriver(volumePoint, { signal: AbortSignal.timeout(700) });
  t.same(
    found.map(({ name, driver, error }) => [name, driver ? 'driver' : error?.code]),
    [
      ['bad', 'DRIVER_BAD_ANSWER'],
      ['dead', 'DRIVER_UNAVAILABLE'],
      ['good', 'driver'],
      ['hung', 'CANCELED'],
    ],
  );
});

t.test('a plugin that goes and comes back', async (t) => {
  const at = place(t);
  const host = await hostAt(t, at);
  await t.rejects(host.driver(volumePoint, 'rec'), { code: 'DRIVER_NOT_FOUND' });
  host.expect(volumePoint, 'rec');
  await t.rejects(host.driver(volumePoint, 'rec'), { kind: 'Unavailable', code: 'DRIVER_UNAVAILABLE' });

  const start = (): ReturnType<typeof startVolumePlugin> =>
    startVolumePlugin({
      socket: at.sock('rec'),
      root: join(at.dir, 'volumes'),
      record: join(at.dir, 'calls'),
    });
  let appeared = Promise.withResolvers<void>();
  const forget = host.onAppear('rec', () => appeared.resolve());
  t.teardown(forget);
  const first = await start();
  t.teardown(() => first.kill('SIGKILL'));
  await appeared.promise;
  const driver = await host.driver(volumePoint, 'rec');
  await driver.create({ name: 'v', options: null }, { signal });

  await first.kill('SIGKILL');
  await t.rejects(
    driver.get({ name: 'v' }, { signal }),
    { code: 'DRIVER_UNAVAILABLE' },
    'the socket is there, and dead',
  );
  t.match(host.list()[0], { state: 'degraded', failures: 1 });
  rmSync(at.sock('rec'));
  await t.rejects(
    driver.get({ name: 'v' }, { signal }),
    { code: 'DRIVER_UNAVAILABLE' },
    'the socket is gone',
  );
  await t.rejects(host.driver(volumePoint, 'rec'), {
    kind: 'Unavailable',
    message: /not there: nothing at unix:/,
  });
  t.match(host.list()[0], { state: 'stopped', reason: /rec.sock" is gone/ });

  appeared = Promise.withResolvers<void>();
  const second = await start();
  t.teardown(() => second.kill('SIGKILL'));
  await appeared.promise;
  t.match(await driver.get({ name: 'v' }, { signal }), { name: 'v' }, 'the old object works again');
  t.match(host.list()[0], { state: 'ready' });
  const methods = second.calls().map(({ method }) => method);
  t.same(methods, ['Plugin.Activate', 'VolumeDriver.Create', 'Plugin.Activate', 'VolumeDriver.Get']);
});

t.test('the recording plugin misbehaves as told', async (t) => {
  const at = place(t);
  const behave = join(at.dir, 'behave.json');
  const plugin = await startVolumePlugin({
    socket: at.sock('rec'),
    root: join(at.dir, 'volumes'),
    record: join(at.dir, 'calls'),
    more: ['--behave', behave],
  });
  t.teardown(() => plugin.kill('SIGKILL'));
  const driver = await (await hostAt(t, at)).driver(volumePoint, 'rec');
  const create = (name: string) => driver.create({ name, options: null }, { signal });
  await t.rejects(driver.get({ name: 'v' }, { signal }), { kind: 'Unknown', message: 'no such volume' });
  await create('v');
  t.match(await driver.get({ name: 'v' }, { signal }), {
    mountpoint: join(at.dir, 'volumes/v'),
    status: { recorded: true, n: 1 },
    createdAt: '2026-01-02T03:04:05Z',
  });
  await plugin.behave({ 'VolumeDriver.Create': { err: 'create says no', skip: 1, times: 1 } });
  await create('a');
  await t.rejects(create('b'), { message: 'create says no' });
  await create('b');
  await plugin.behave({});
  writeFileSync(behave, '{"VolumeDriver.Create":{"status":500,"body":"plain text failure\\n"}}');
  await t.rejects(create('c'), { message: 'VolumeDriver.Create: plain text failure\n' });
  writeFileSync(behave, '{"VolumeDriver.Mount":{"resp":{"Mountpoint":"","Err":""}}}');
  await t.rejects(driver.mount({ name: 'v', mountId: 'm' }, { signal }), { code: 'DRIVER_BAD_ANSWER' });
  writeFileSync(behave, '{"VolumeDriver.Create":{"hangup":true,"times":1}}');
  const before = plugin.calls().length;
  await t.rejects(create('d'), { kind: 'Unavailable', code: 'DRIVER_CONNECTION_LOST' });
  t.same(
    plugin
      .calls()
      .slice(before)
      .map(({ method, request }) => [method, request]),
    [['VolumeDriver.Create', { Name: 'd', Opts: null }]],
    'never sent again',
  );
});

t.test('notices directories that come later, go and come again', async (t) => {
  const { dir } = place(t);
  const late = join(dir, 'not/yet/run');
  const socket = join(late, 'sub', 'late.sock');
  const changes = new EventEmitter();
  const onChange = (name: string) => void changes.emit(existsSync(socket) ? 'found' : 'gone', name);
  const watch = new PluginWatch(
    { nested: [late, join(dir, 'never')] },
    onChange,
    (error) => void t.error(error),
  );
  await watch.start();
  t.teardown(() => watch.stop());
  for (const round of [1, 2]) {
    const found = once(changes, 'found');
    const plugin = await served(t, socket);
    t.same(await found, ['late'], `round ${round}: found`);
    const gone = once(changes, 'gone');
    await plugin.close();
    t.same(await gone, ['late'], `round ${round}: gone`);
    rmSync(join(dir, 'not'), { recursive: true });
  }
});

t.test('one hung driver takes nobody else’s place', async (t) => {
  const at = place(t);
  const hang = memoryDriver();
  const asked = Promise.withResolvers<void>();
  hang.get = (_volume, call) => {
    asked.resolve();
    return new Promise((_resolve, reject) =>
      call.signal.addEventListener('abort', () => reject(call.signal.reason)),
    );
  };
  await served(t, at.sock('hang'), hang);
  await served(t, at.sock('good'));
  const host = await hostAt(t, at);
  const [hung, good] = await Promise.all([
    host.driver(volumePoint, 'hang'),
    host.driver(volumePoint, 'good'),
  ]);
  const leave = new AbortController();
  const calls = Array.from({ length: 64 + 1024 }, () => hung.get({ name: 'v' }, { signal: leave.signal }));
  const settled = Promise.allSettled(calls);
  await asked.promise;
  await t.rejects(hung.get({ name: 'v' }, { signal }), { kind: 'ResourceExhausted', code: 'DRIVER_BUSY' });
  t.same(await good.list({}, { signal }), []);
  leave.abort();
  t.ok((await settled).every((each) => each.status === 'rejected' && each.reason.kind === 'Canceled'));
  t.same(await hung.list({}, { signal }), [], 'free again');
});

t.test('serve', async (t) => {
  const at = place(t);
  const plugin = await served(t, at.sock('p'));
  await t.rejects(serve(memoryDriver(), { point: volumePoint, wire: 'docker', socket: at.sock('p') }), {
    code: 'SOCKET_IN_USE',
  });
  const post = async (path: string, body?: string) => {
    const { request } = await import('node:http');
    return new Promise<string>((resolve) => {
      const outgoing = request(
        { socketPath: at.sock('p'), path, method: 'POST', agent: false },
        async (response) => {
          let text = '';
          for await (const chunk of response) text += chunk;
          resolve(`${response.statusCode} ${text.trim()}`);
        },
      );
      outgoing.end(body);
    });
  };
  t.equal(await post('/Plugin.Activate'), '200 {"Implements":["VolumeDriver"]}');
  t.match(await post('/VolumeDriver.Nothing', '{}'), /^404 \{"Err":"unknown method/);
  t.equal(await post('/VolumeDriver.Create'), '400 {"Err":"VolumeDriver.Create: the body is empty"}');
  t.match(await post('/VolumeDriver.Create', '{'), /^400 \{"Err":"VolumeDriver.Create: /);
  t.equal(
    await post('/VolumeDriver.Create', '{"Name":1}'),
    '400 {"Err":"VolumeDriver.Create: Name: expected string, found number"}',
  );
  t.equal(await post('/VolumeDriver.Create', '{"name":"v"}'), '200 {"Err":""}');
  t.equal(await post('/VolumeDriver.List'), '200 {"Volumes":[{"Name":"v","Mountpoint":""}],"Err":""}');
  await plugin.close();
  await plugin.close();
});
