/** Reads never wait on a driver: what twenty plugins, five of them bad, do to those who only look. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { startVolumePlugin } from '../fakes/start-volume-plugin.ts';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';

const ZOO = path.resolve(import.meta.dirname, '../fakes/plugin-zoo.ts');
const BAD = ['dead', 'garbage', 'half', 'hang'];

/** Starts the twenty and makes a volume `v-NAME` on each, then has five misbehave. */
async function startZoo(t: Test, daemon: TestDaemon): Promise<readonly string[]> {
  const zoo = spawn(process.execPath, [ZOO, daemon.pluginDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => zoo.kill());
  await once(zoo.stdout, 'data');
  const names = [
    ...Array.from({ length: 15 }, (_, index) => `p${String(index).padStart(2, '0')}`),
    ...BAD,
    'slow',
  ];
  for (const name of names) {
    const { status } = await daemon.api('POST', '/volumes/create', { Name: `v-${name}`, Driver: name });
    t.equal(status, 201, `a volume on ${name}`);
  }
  const changed = once(zoo.stdout, 'data');
  zoo.kill('SIGUSR2');
  await changed;
  return names;
}

t.test('twenty plugins, five of them bad', async (t) => {
  const daemon = await startTestDaemon(t);
  await daemon.loadBusybox();
  await daemon.api('POST', '/containers/create?name=c1', {
    Image: 'busybox',
    Cmd: ['true'],
    HostConfig: { NetworkMode: 'none' },
  });
  const names = await startZoo(t, daemon);

  await t.test('volume ls shows every volume and names the drivers that could not say', async (t) => {
    const { status, body } = await daemon.api('GET', '/volumes');
    const { Volumes, Warnings } = body as { Volumes: { Name: string }[]; Warnings: string[] };
    t.equal(status, 200);
    t.same(Volumes.map(({ Name }) => Name).sort(), names.map((name) => `v-${name}`).sort());
    t.same(Warnings.map((line) => /^list (\w+):/.exec(line)?.[1]).sort(), BAD);
    for (const name of BAD)
      t.ok(
        Warnings.some((line) => line.includes(`v-${name}`)),
        `v-${name} is named as stale`,
      );
  });

  await t.test('a read is answered while writers wait on the plugin that hangs', async (t) => {
    const stuck = new AbortController();
    const writers = Array.from({ length: 30 }, (_, index) =>
      fetchCreate(daemon, `w${index}`, 'hang', stuck.signal).catch(() => 'gone'),
    );
    for (const path of [
      '/containers/json?all=1',
      '/containers/c1/json',
      '/info',
      '/version',
      '/volumes/v-p00',
    ]) {
      t.equal((await daemon.api('GET', path)).status, 200, path);
    }
    // Another driver's writers have their own places.
    t.equal((await daemon.api('POST', '/volumes/create', { Name: 'other', Driver: 'p01' })).status, 201);
    stuck.abort();
    t.same(new Set(await Promise.all(writers)), new Set(['gone']));
  });

  await t.test('inspect answers from the record when the driver does not', async (t) => {
    for (const name of BAD) {
      const { status, body } = await daemon.api('GET', `/volumes/v-${name}`);
      t.equal(status, 200, name);
      t.match(body, { Name: `v-${name}`, Driver: name, Status: { stale: /./, lastConfirmed: /^\d{4}-/ } });
    }
  });
});

async function fetchCreate(
  daemon: TestDaemon,
  name: string,
  driver: string,
  signal: AbortSignal,
): Promise<string> {
  const { request } = await import('node:http');
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const headers = { 'Content-Type': 'application/json' };
  const req = request(
    { socketPath: daemon.socket, method: 'POST', path: '/volumes/create', headers, signal },
    (res) => {
      res.resume();
      res.on('end', () => resolve(String(res.statusCode)));
    },
  );
  req.once('error', reject);
  req.end(JSON.stringify({ Name: name, Driver: driver }));
  return promise;
}

t.test(
  'stored volumes of absent plugins do not keep the API, and a late plugin is used at once',
  async (t) => {
    const daemon = await startTestDaemon(t);
    const socket = path.join(daemon.pluginDir, 'late.sock');
    const files = {
      socket,
      root: path.join(daemon.dir, 'late'),
      record: path.join(daemon.dir, 'late.jsonl'),
    };
    const plugin = await startVolumePlugin(files);
    t.teardown(() => plugin.kill());
    t.equal(
      (await daemon.api('POST', '/volumes/create', { Name: 'v', Driver: 'late', Labels: { keep: 'me' } }))
        .status,
      201,
    );
    await plugin.kill('SIGKILL');
    renameSync(socket, `${socket}.gone`);
    await daemon.kill();
    await daemon.restart();

    const { body } = await daemon.api('GET', '/volumes/v');
    t.match(body, { Name: 'v', Driver: 'late', Labels: { keep: 'me' } }, 'the record is whole');
    const use = await daemon.api('POST', '/volumes/create', { Name: 'w', Driver: 'late' });
    t.equal(use.status, 500);
    t.match(use.text, /late/);

    const back = await startVolumePlugin(files);
    t.teardown(() => back.kill());
    t.equal((await daemon.api('POST', '/volumes/create', { Name: 'w', Driver: 'late' })).status, 201);
  },
);
