/** Built-in drivers: the order of their start, their life, and the pipeline that their calls go through. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MountDriver, mountPoint } from '@gantry/plugin-sdk/contracts/mount.ts';
import { type VolumeDriver, volumePoint } from '@gantry/plugin-sdk/contracts/volume.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { DriverModule, ExtensionPoint, HostContext } from '@gantry/plugin-sdk/extension-point.ts';
import t, { type Test } from 'tap';
import { DriverHost, type DriverHostOptions } from '../../../../core/host/driver-host.ts';
import type { CallTrace } from '../../../../core/host/pipeline.ts';

const quiet = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

function volumeDriver(parts: Partial<VolumeDriver> = {}): VolumeDriver {
  const nothing = async () => undefined;
  return {
    create: nothing,
    remove: nothing,
    mount: async () => ({ mountpoint: '/m' }),
    unmount: nothing,
    path: async () => ({ mountpoint: '/m' }),
    get: nothing,
    list: async () => [],
    capabilities: async () => ({ scope: 'local' }),
    ...parts,
  };
}

function module<T>(
  point: ExtensionPoint<T>,
  name: string,
  start: (host: HostContext) => T | Promise<T>,
  requires: readonly ExtensionPoint<unknown>[] = [],
): DriverModule<T> {
  return { point, name, requires, start: async (host) => start(host) };
}

const mountDriver: MountDriver = {
  resolve: async ({ target }) => ({
    mount: { destination: target, type: 'bind', source: '/', options: [] },
    effects: [],
  }),
};

function hostOf(t: Test, builtins: readonly DriverModule<unknown>[], more: Partial<DriverHostOptions> = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-host-'));
  const dirs = { socket: [join(dir, 'plugins')], spec: [] };
  const host = new DriverHost({
    points: [volumePoint, mountPoint],
    builtins,
    dirs,
    rootDir: join(dir, 'root'),
    stateDir: join(dir, 'state'),
    log: quiet,
    ...more,
  });
  t.teardown(async () => {
    await host.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  return { host, dir };
}

const { signal } = new AbortController();
const stateOf = (host: DriverHost, name: string) => {
  const row = host.list().find((each) => each.name === name);
  return `${row?.state}: ${row?.reason}`;
};

t.test('starts drivers after those they require and stops them in reverse', async (t) => {
  const order: string[] = [];
  const life = <T>(name: string, host: HostContext, driver: T): T => {
    order.push(`start ${name}`);
    host.defer(() => void order.push(`${name} releases first`));
    host.defer(() => void order.push(`${name} releases last`));
    host.signal.addEventListener('abort', () => order.push(`${name} aborts`));
    return driver;
  };
  const { host, dir } = hostOf(t, [
    module(mountPoint, 'volume', (host) => life('mount', host, mountDriver), [volumePoint]),
    module(volumePoint, 'local', (host) => life('volume', host, volumeDriver())),
  ]);
  t.equal(stateOf(host, 'local'), 'declared: waits for its turn to start');
  await host.start();
  t.match(stateOf(host, 'local'), /^ready: started in/);
  t.ok(existsSync(join(dir, 'root/volume-local')) && existsSync(join(dir, 'state/mount-volume')));
  await host.stop();
  await host.stop();
  t.same(order, [
    ...['start volume', 'start mount'],
    ...['mount aborts', 'mount releases last', 'mount releases first'],
    ...['volume aborts', 'volume releases last', 'volume releases first'],
  ]);
  t.equal(stateOf(host, 'local'), 'stopped: stopped');
});

t.test('says which drivers wait for each other, and which are declared twice', async (t) => {
  const local = module(volumePoint, 'local', () => volumeDriver(), [mountPoint]);
  const volume = module(mountPoint, 'volume', () => mountDriver, [volumePoint]);
  t.throws(() => hostOf(t, [local, volume]), {
    code: 'DRIVER_CYCLE',
    message: 'start drivers: they wait for each other: volume/local -> mount/volume -> volume/local',
  });
  const twice = [
    module(volumePoint, 'a', () => volumeDriver()),
    module(volumePoint, 'a', () => volumeDriver()),
  ];
  t.throws(() => hostOf(t, twice), { code: 'DRIVER_DECLARED_TWICE', message: /volume\/a$/ });
});

t.test('keeps why a driver is not there', async (t) => {
  let released = 0;
  const { host } = hostOf(t, [
    module(volumePoint, 'cannot', (host) => {
      host.defer(() => void released++);
      throw new HostError('FailedPrecondition', 'NO_KERNEL', 'no btrfs here');
    }),
    module(volumePoint, 'broken', () => {
      throw new Error('oops');
    }),
    module(volumePoint, 'lacking', () => ({ create: async () => undefined }) as unknown as VolumeDriver),
    module(mountPoint, 'volume', () => mountDriver, [volumePoint]),
  ]);
  await host.start();
  t.equal(stateOf(host, 'cannot'), 'skipped: no btrfs here');
  t.equal(stateOf(host, 'broken'), 'failed: oops');
  t.match(
    stateOf(host, 'lacking'),
    /^failed: driver "volume-lacking" lacks remove, mount, .* of gantry.volume.v1$/,
  );
  t.equal(stateOf(host, 'volume'), 'skipped: no driver of gantry.volume.v1 could start');
  t.equal(released, 1);
  await t.rejects(host.driver(volumePoint, 'cannot'), {
    kind: 'Unavailable',
    code: 'DRIVER_NOT_READY',
    message: 'volume driver "cannot" is skipped: no btrfs here',
  });
  const found = await host.everyDriver(volumePoint, { signal });
  t.same(
    found.map(({ name, error }) => [name, error?.code]),
    [
      ['cannot', 'DRIVER_NOT_READY'],
      ['broken', 'DRIVER_NOT_READY'],
      ['lacking', 'DRIVER_NOT_READY'],
    ],
  );
});

t.test('leaves alone what the operator does not want', async (t) => {
  const builtins = [
    module(volumePoint, 'local', () => Promise.reject(t.fail('started'))),
    module(mountPoint, 'bind', () => mountDriver),
  ];
  const { host } = hostOf(t, builtins, { disabled: ['volume/local', 'volume/nfs'] });
  await host.start();
  t.match(host.list(), [
    { name: 'local', enabled: false, state: 'skipped' },
    { name: 'bind', enabled: true },
  ]);
  for (const name of ['local', 'nfs']) {
    await t.rejects(host.driver(volumePoint, name), {
      code: 'DRIVER_DISABLED',
      message: `volume driver "${name}" is disabled`,
    });
  }
  t.same(await host.everyDriver(volumePoint, { signal }), []);
});

t.test('an unknown driver: at once, with near names and what installs it', async (t) => {
  const { host } = hostOf(t, [module(volumePoint, 'local', () => volumeDriver())]);
  await host.start();
  await t.rejects(host.driver(volumePoint, 'locla'), {
    kind: 'NotFound',
    code: 'DRIVER_NOT_FOUND',
    message: 'volume driver "locla" not found: did you mean "local"?',
    hint: 'install it with: gantry driver install locla',
    details: { near: ['local'] },
  });
  await t.rejects(host.driver(volumePoint, 'rexray'), { message: 'volume driver "rexray" not found' });
  for (const name of ['', '.', '..', '../local', 'a/b', 'a\0b', 'x'.repeat(5000)]) {
    await t.rejects(host.driver(volumePoint, name), { code: 'DRIVER_NOT_FOUND' });
  }
});

t.test('waits for a driver that is starting', async (t) => {
  const go = Promise.withResolvers<void>();
  const { host } = hostOf(t, [module(volumePoint, 'local', () => go.promise.then(() => volumeDriver()))]);
  const started = host.start();
  const driver = host.driver(volumePoint, 'local');
  go.resolve();
  t.same(await (await driver).list({}, { signal }), []);
  await started;
});

t.test('a call of a built-in driver', async (t) => {
  const traces: CallTrace[] = [];
  let given: AbortSignal | undefined;
  const hang = Promise.withResolvers<never>();
  const local = volumeDriver({
    get: async ({ name }, call) => {
      if (name === 'throws') throw new HostError('Conflict', 'VOLUME_IN_USE', 'in use');
      if (name === 'bug') throw new TypeError('not a function');
      given = call.signal;
      if (name === 'hangs') await hang.promise;
      return { name, mountpoint: '/m' };
    },
    mount: async ({ name }) => ({ mountpoint: name }),
  });
  const { host } = hostOf(t, [module(volumePoint, 'local', () => local)], {
    trace: (call) => traces.push(call),
  });
  await host.start();
  const driver = await host.driver(volumePoint, 'local');

  t.same(await driver.get({ name: 'v' }, { signal }), { name: 'v', mountpoint: '/m' });
  await t.rejects(driver.get({ name: 'throws' }, { signal }), { kind: 'Conflict', code: 'VOLUME_IN_USE' });
  await t.rejects(driver.get({ name: 'bug' }, { signal }), { kind: 'Internal', message: 'not a function' });
  await t.rejects(driver.get({ name: 1 } as never, { signal }), {
    code: 'DRIVER_BAD_REQUEST',
  });
  await t.rejects(driver.get(undefined as never, { signal }), { code: 'DRIVER_BAD_REQUEST' });
  for (const mountpoint of ['', 'relative/path']) {
    await t.rejects(driver.mount({ name: mountpoint, mountId: 'm' }, { signal }), {
      code: 'DRIVER_BAD_ANSWER',
      message: /is not an absolute path/,
    });
  }

  const leave = new AbortController();
  const call = driver.get({ name: 'hangs' }, { signal: leave.signal });
  leave.abort();
  await t.rejects(call, { code: 'CANCELED' });
  t.match(given, { aborted: true, reason: { kind: 'Canceled' } });
  await t.rejects(driver.get({ name: 'v' }, { signal: leave.signal }), { code: 'CANCELED' });

  const row = host.list().find(({ name }) => name === 'local');
  t.match(row, {
    calls: 6,
    failures: 4,
    lastError: { method: 'mount', code: 'DRIVER_BAD_ANSWER' },
    state: 'ready',
  });
  t.match(row?.methods.get('get'), { calls: 5, failures: 2 });
  t.equal(traces.length, 7, 'calls that never left are traced too; requests that are no requests are not');
  t.match(traces[0], { point: 'volume', driver: 'local', method: 'get' });
});

t.test('does not wait for ever for a driver to stop', async (t) => {
  const never = Promise.withResolvers<void>();
  const start = (host: HostContext) => {
    host.defer(() => never.promise);
    return volumeDriver();
  };
  const { host } = hostOf(t, [module(volumePoint, 'local', start)], { stopMs: 5 });
  await host.start();
  await host.stop();
  t.equal(stateOf(host, 'local'), 'stopped: still busy after 5 ms');
});
