/** Wrong and hostile input: a clear answer in Docker's shape with the right status, and nothing changed. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { CreateSchema } from '../../core/controllers/container/request.ts';
import { startVolumePlugin } from '../fakes/start-volume-plugin.ts';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';
import { type Case, CREATE, GROUPS, post } from './bad-input/cases.ts';
import { send, sendRaw } from './bad-input/send.ts';
import { wrongBodies } from './bad-input/wrong-types.ts';

t.jobs = 3;
t.setTimeout(120_000);
t.test('requests', { buffered: true }, async (t) => {
  const daemon = await startTestDaemon(t);
  await daemon.loadBusybox();
  await daemon.api('POST', `${CREATE}?name=box`, { Image: 'busybox' });
  await daemon.api('POST', '/volumes/create', { Name: 'there' });
  const before = await recorded(daemon);
  for (const [name, cases] of Object.entries(GROUPS)) {
    await t.test(name, async (t) => {
      for (const one of cases) await refuses(t, daemon, one);
      t.same(await recorded(daemon), before, 'nothing changed');
    });
  }
  await t.test('each field of create, of a wrong type', async (t) => {
    for (const { field, body } of wrongBodies(CreateSchema, { Image: 'busybox' })) {
      await refuses(
        t,
        daemon,
        post(
          CREATE,
          body,
          400,
          new RegExp(`^create container: .*\\b${field.replaceAll('.', '\\.')} must be`),
        ),
      );
    }
    t.same(await recorded(daemon), before, 'nothing changed');
  });
  await t.test('bytes that are no HTTP', async (t) => {
    const length = 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n';
    for (const bytes of [
      '\0\0\0\0',
      'GARBAGE\r\n\r\n',
      `GET / HTTP/9.9\r\n\r\n`,
      `POST / HTTP/1.1\r\nHost: x\r\n${length}\r\nhello`,
    ]) {
      t.match(await sendRaw(daemon.socket, bytes), /^HTTP\/1\.1 400 /, JSON.stringify(bytes));
    }
    await sendRaw(
      daemon.socket,
      `POST ${CREATE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"Im`,
    );
    t.same(await recorded(daemon), before, 'it goes on, and nothing changed');
  });
  t.notMatch(daemon.log(), /Internal|INTERNAL|TypeError/);
});

async function refuses(t: Test, daemon: TestDaemon, { name, status, message, ...sent }: Case): Promise<void> {
  const answer = await send(daemon.socket, sent);
  const body = parse(answer.text);
  const fits =
    answer.status === status && answer.type === 'application/json' && message.test(body.message ?? '');
  t.ok(fits && Object.keys(body).length === 1, name, { answer, wanted: `${status} ${message}` });
}

function parse(text: string): { message?: string } {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** Everything on the books, but for times. */
async function recorded(daemon: TestDaemon): Promise<object> {
  const ids = async (path: string) =>
    JSON.stringify((await daemon.api('GET', path)).body).match(/"(Id|Name)":"[^"]+"/g);
  const fsck = await daemon.api('GET', '/gantry/fsck');
  return {
    containers: await ids('/containers/json?all=1'),
    volumes: await ids('/volumes'),
    images: await ids('/images/json'),
    // Cgroups may be those of other daemons on this machine.
    leftOver: (fsck.body as { findings: { kind: string }[] }).findings.filter(
      ({ kind }) => kind !== 'cgroup',
    ),
  };
}

t.test('a broken spec file hides no other plugin', { buffered: true }, async (t) => {
  const daemon = await startTestDaemon(t);
  writeFileSync(join(daemon.specDir, 'broken.json'), '{"Addr":');
  writeFileSync(join(daemon.specDir, 'odd.spec'), 'nonsense');
  mkdirSync(join(daemon.specDir, 'folder.spec'));
  const plugin = await startVolumePlugin({
    socket: join(daemon.pluginDir, 'good.sock'),
    root: join(daemon.dir, 'good'),
    record: join(daemon.dir, 'good.calls'),
  });
  t.teardown(() => plugin.kill());
  t.match(await daemon.docker(['volume', 'create', '-d', 'good', 'v1']), { code: 0, stdout: 'v1\n' });
  const listed = await daemon.api('GET', '/volumes');
  t.match(listed.body, {
    Volumes: [{ Name: 'v1', Driver: 'good' }],
    Warnings: [/list broken: .*broken\.json/, /list odd: .*odd\.spec/],
  });
  for (const name of ['broken', 'odd']) {
    const refused = await daemon.docker(['volume', 'create', '-d', name, 'v2']);
    t.match(refused, { code: 1, stderr: new RegExp(`plugin "${name}": read ".*": .*correct or remove`) });
  }
  const drivers = (await daemon.api('GET', '/gantry/drivers')).body;
  const failed = (drivers as { drivers: { name: string; state: string }[] }).drivers.filter(
    ({ state }) => state === 'failed',
  );
  t.same(failed.map(({ name }) => name).sort(), ['broken', 'odd']);
});

t.test('flags of gantryd that it does not know, or that lack their value', { buffered: true }, async (t) => {
  const program = join(import.meta.dirname, '../../core/bin/gantryd');
  const cases: readonly (readonly [args: readonly string[], said: RegExp])[] = [
    [['--nosuch'], /unknown flag: --nosuch \(see gantryd --help\)/],
    [['--storage-drive=overlay2'], /unknown flag: --storage-drive \(did you mean --storage-driver\?\)/],
    [['serve'], /unexpected argument "serve"/],
    [['--data-root'], /flag needs an argument: --data-root/],
    [['--debug=5'], /invalid argument "5" for --debug: true or false is expected/],
    [['--tlsverify'], /TLS needs --tlscert, --tlskey, --tlscacert/],
    [['-H', 'http://x', '--data-root', '/dev/null/x'], /gantryd: /],
  ];
  await Promise.all(
    cases.map(async ([args, said]) => {
      const ended = await promisify(execFile)(program, args, { timeout: 20_000 }).catch(
        (error: object) => error,
      );
      t.match(ended, { code: 1, stderr: said }, args.join(' '));
    }),
  );
});
