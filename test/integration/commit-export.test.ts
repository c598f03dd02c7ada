/** docker commit with the real docker command, on both snapshot drivers; images that another driver had unpacked. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';

if (process.getuid?.() !== 0) t.plan(0, 'needs root');
t.setTimeout(240_000);

async function bench(t: Test, driver: string): Promise<TestDaemon> {
  const daemon = await startTestDaemon(t, { args: ['--storage-driver', driver] });
  await daemon.loadBusybox();
  return daemon;
}

async function ok(t: Test, daemon: TestDaemon, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await daemon.docker(args);
  t.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

const WRITE =
  'echo new > /new; rm /etc/shadow; rm -r /var; mkdir /var; echo v > /var/v; chmod 700 /root; ln /new /twin;' +
  'echo x > /root/x; chown 12:34 /root/x; chmod 4755 /root/x; ln -s /no/where /link; mkfifo /fifo';
const LOOK =
  'cat /new; ls /etc/shadow 2>&1; ls -A /var; stat -c "%a" /root; stat -c "%u:%g %a" /root/x; readlink /link;' +
  'test -p /fifo && echo fifo; test /new -ef /twin && echo twin';
const SEEN = 'new\nls: /etc/shadow: No such file or directory\nv\n700\n12:34 4755\n/no/where\nfifo\ntwin';

for (const driver of ['overlay', 'vfs']) {
  t.test(`${driver}: what a container has changed is in the image`, async (t) => {
    const daemon = await bench(t, driver);
    const run = ['run', '--network', 'none'];
    await ok(t, daemon, [...run, '--name', 'ended', 'busybox', 'sh', '-c', WRITE]);
    await ok(t, daemon, [
      ...run,
      '-d',
      '--name',
      'runs',
      '-v',
      'vol:/vol',
      'busybox',
      'sh',
      '-c',
      `${WRITE}; echo in > /vol/in; touch /done; sleep 1000`,
    ]);
    for (;;) if ((await daemon.docker(['exec', 'runs', 'test', '-e', '/done'])).code === 0) break;
    for (const name of ['ended', 'runs']) {
      const id = await ok(t, daemon, ['commit', '-a', 'me <me@x>', '-m', 'a word', name, `of-${name}:v1`]);
      t.match(id, /^sha256:[0-9a-f]{64}$/);
      t.equal(await ok(t, daemon, [...run, '--rm', `of-${name}:v1`, 'sh', '-c', LOOK]), SEEN, name);
      const [image] = JSON.parse(await ok(t, daemon, ['image', 'inspect', `of-${name}:v1`]));
      t.match(image, { Id: id, Author: 'me <me@x>', Comment: 'a word', RootFS: { Layers: { length: 2 } } });
      t.match(await ok(t, daemon, ['history', '--no-trunc', `of-${name}:v1`]), /sh -c echo new.*a word/);
    }
    t.equal(
      await ok(t, daemon, [...run, '--rm', 'of-runs:v1', 'ls', '-A', '/vol']),
      '',
      'volumes are left out',
    );
    const { State } = JSON.parse(await ok(t, daemon, ['inspect', 'runs']))[0];
    t.match(State, { Running: true, Paused: false }, 'it runs on');
    const again = await ok(t, daemon, ['commit', 'runs', 'again']);
    await ok(t, daemon, [...run, '--name', 'second', 'again', 'sh', '-c', 'rm /new; echo 2 > /two']);
    await ok(t, daemon, ['commit', 'second', 'third']);
    t.equal(
      await ok(t, daemon, [...run, '--rm', 'third', 'sh', '-c', 'cat /twin /two; ls /new 2>&1; true']),
      'new\n2\nls: /new: No such file or directory',
    );
    await ok(t, daemon, ['rm', '-f', 'second']);
    await ok(t, daemon, ['rmi', 'third', 'again']);
    t.equal((await daemon.docker(['image', 'inspect', again])).code, 1);
    const { stdout } = await daemon.gantry(['fsck']);
    t.match(stdout, /all agree/, stdout);
  });

  t.test(`${driver}: a disk that is full leaves nothing`, async (t) => {
    const disk = mkdtempSync('/tmp/gantry-full-');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', disk]);
    t.teardown(() => {
      execFileSync('umount', ['-l', disk]);
      rmdirSync(disk);
    });
    const dataRoot = join(disk, 'data');
    const daemon = await startTestDaemon(t, { args: ['--storage-driver', driver], dataRoot });
    await daemon.loadBusybox();
    const write = 'dd if=/dev/urandom of=/big bs=1M count=28 2>/dev/null';
    await ok(t, daemon, ['run', '--network', 'none', '--name', 'cc', 'busybox', 'sh', '-c', write]);
    const before = readdirSync(join(dataRoot, 'content/blobs/sha256')).sort();
    const { code, stderr } = await daemon.docker(['commit', 'cc', 'never']);
    t.equal(code, 1);
    t.match(stderr, /no space left on device/);
    t.same(readdirSync(join(dataRoot, 'content/blobs/sha256')).sort(), before);
    t.same(readdirSync(join(dataRoot, 'content/ingest')), []);
    t.equal((await daemon.docker(['image', 'inspect', 'never'])).code, 1);
    await ok(t, daemon, ['rm', 'cc']);
  });
}

t.test('configuration: of the container, then of --change', async (t) => {
  const daemon = await bench(t, 'overlay');
  await ok(t, daemon, [
    'create',
    '--name',
    'cc',
    '-e',
    'A=1',
    '-w',
    '/tmp',
    '-l',
    'k=v',
    '-u',
    'nobody',
    'busybox',
    'ls',
    '-l',
  ]);
  const inspect = async (name: string) =>
    JSON.parse(await ok(t, daemon, ['image', 'inspect', name]))[0].Config;
  const base = await ok(t, daemon, ['image', 'inspect', '-f', '{{json .RootFS.Layers}}', 'busybox']);
  await ok(t, daemon, ['commit', 'cc', 'plain']);
  t.match(await inspect('plain'), {
    Env: [/^PATH=/, 'A=1'],
    WorkingDir: '/tmp',
    Labels: { k: 'v' },
    User: 'nobody',
    Cmd: ['ls', '-l'],
  });
  t.equal(
    await ok(t, daemon, ['image', 'inspect', '-f', '{{json .RootFS.Layers}}', 'plain']),
    base,
    'no layer where nothing changed',
  );
  const changes = ['ENV B=2', 'LABEL k=w', 'CMD ["pwd"]', 'WORKDIR /etc', 'USER root', 'EXPOSE 80'];
  await ok(t, daemon, ['commit', ...changes.flatMap((line) => ['-c', line]), 'cc', 'changed']);
  t.match(await inspect('changed'), {
    Env: [/^PATH=/, 'A=1', 'B=2'],
    WorkingDir: '/etc',
    Labels: { k: 'w' },
    Cmd: ['pwd'],
    ExposedPorts: { '80/tcp': {} },
  });
  t.equal(await ok(t, daemon, ['run', '--rm', '--network', 'none', 'changed']), '/etc');
  const refused = async (args: readonly string[], words: RegExp) => {
    const { code, stderr } = await daemon.docker(['commit', ...args]);
    t.equal(code, 1, args.join(' '));
    t.match(stderr, words);
  };
  await refused(['nobody', 'x'], /No such container: nobody/);
  await refused(['cc', 'BAD'], /invalid reference format/);
  await refused(['-c', 'FOO x', 'cc', 'x'], /FOO x/);
});

t.test('containers and images when another storage driver is chosen', async (t) => {
  const daemon = await bench(t, 'overlay');
  const run = ['run', '--network', 'none'];
  await ok(t, daemon, [...run, '--name', 'old', 'busybox', 'sh', '-c', 'echo old > /f']);
  await daemon.restart({ args: ['--storage-driver', 'vfs'] });
  t.match(await ok(t, daemon, ['info', '-f', '{{.Driver}}']), 'vfs');
  await ok(t, daemon, [...run, '--name', 'new', 'busybox', 'sh', '-c', 'echo new > /f']);
  const at = (driver: string) =>
    readdirSync(join(daemon.dataRoot, `drivers/snapshot-${driver}/snapshots`)).length;
  t.same([at('overlay'), at('vfs')], [1, 1], 'each keeps its own');
  mkdirSync(join(daemon.dir, 'out'));
  for (const name of ['old', 'new']) {
    await ok(t, daemon, ['cp', `${name}:/f`, join(daemon.dir, 'out', name)]);
    t.equal(readFileSync(join(daemon.dir, 'out', name), 'utf8'), `${name}\n`);
    await ok(t, daemon, ['start', name]);
    await ok(t, daemon, ['wait', name]);
    await ok(t, daemon, ['commit', name, `of-${name}`]);
    t.equal(await ok(t, daemon, [...run, '--rm', `of-${name}`, 'cat', '/f']), name);
  }
  await ok(t, daemon, ['rm', 'old', 'new']);
  await ok(t, daemon, ['rmi', 'of-old', 'of-new']);
  const blobs = join(daemon.dataRoot, 'content/blobs/sha256');
  await daemon.restart({ args: ['--storage-driver', 'overlay'] });
  await ok(t, daemon, ['rmi', 'busybox']);
  t.same(
    readdirSync(join(daemon.dataRoot, 'drivers/snapshot-vfs/layers')),
    [],
    "the other driver's layers go too",
  );
  t.same(readdirSync(blobs), []);
  t.ok(existsSync(blobs));
  await daemon.loadBusybox();
  await daemon.restart({ args: ['--storage-driver', 'vfs'] });
  rmSync(blobs, { recursive: true });
  mkdirSync(blobs);
  const { code, stderr } = await daemon.docker([...run, '--rm', 'busybox', 'true']);
  t.equal(code, 125);
  t.match(stderr, /not kept any more.*load or pull the image again/s);
});
