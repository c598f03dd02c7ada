/** docker cp both ways, docker diff and docker export with the real docker command, on both snapshot drivers. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { lsetxattr } from '@gantry/plugin-sdk/system/xattr.ts';
import t, { type Test } from 'tap';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';
import { type TarSpec, tar } from '../fixtures/tar.ts';

if (process.getuid?.() !== 0) t.plan(0, 'needs root');
t.setTimeout(240_000);

const DRIVERS = ['overlay', 'vfs'] as const;

/** A container that runs (until the test ends) and one that was never started, each with the volume `vol` at /vol. */
async function bench(t: Test, driver: string, more: readonly string[] = []) {
  const daemon = await startTestDaemon(t, { args: ['--storage-driver', driver] });
  await daemon.loadBusybox();
  const common = ['--network', 'none', '-v', 'vol:/vol', ...more, 'busybox', 'sleep', '1000'];
  await ok(t, daemon, ['run', '-d', '--name', 'running', ...common]);
  await ok(t, daemon, ['create', '--name', 'stopped', ...common]);
  return daemon;
}

async function ok(t: Test, daemon: TestDaemon, args: readonly string[], input?: Buffer): Promise<string> {
  const { code, stdout, stderr } = await daemon.docker(args, input ? { input } : {});
  t.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
  return stdout;
}

async function refused(t: Test, daemon: TestDaemon, args: readonly string[], words: RegExp): Promise<void> {
  const { code, stderr } = await daemon.docker(args);
  t.not(code, 0, args.join(' '));
  t.match(stderr, words);
}

/** One request of the archive API with a raw body; what it answers. */
function archive(daemon: TestDaemon, method: string, path: string, body?: Buffer) {
  return new Promise<{ status: number; body: Buffer; stat: Record<string, unknown> | undefined }>(
    (done, failed) => {
      const sent = request({ socketPath: daemon.socket, method, path, agent: false }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', failed);
        answer.on('end', () => {
          const header = String(answer.headers['x-docker-container-path-stat'] ?? '');
          const stat = header === '' ? undefined : JSON.parse(Buffer.from(header, 'base64').toString());
          done({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks), stat });
        });
      });
      sent.on('error', failed).end(body);
    },
  );
}

function put(daemon: TestDaemon, name: string, query: string, entries: readonly TarSpec[]) {
  return archive(daemon, 'PUT', `/containers/${name}/archive?${query}`, tar(entries));
}

/** Names in a tar, as tar prints them. */
function names(bytes: Buffer): readonly string[] {
  return execFileSync('tar', ['tPf', '-'], { input: bytes, encoding: 'utf8' }).split('\n').filter(Boolean);
}

function quietMounts(daemon: TestDaemon): readonly string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return mounts.filter((line) => line.includes(daemon.execRoot));
}

for (const driver of DRIVERS) {
  t.test(`${driver}: trees there and back, to and from both kinds of container`, async (t) => {
    const daemon = await bench(t, driver);
    const source = join(daemon.dir, 'src');
    mkdirSync(join(source, 'sub/deep'), { recursive: true });
    writeFileSync(join(source, 'a'), 'one', { mode: 0o640 });
    linkSync(join(source, 'a'), join(source, 'b'));
    symlinkSync('/etc/passwd', join(source, 'link'));
    writeFileSync(join(source, 'sub/deep', 'x'.repeat(120)), 'long');
    execFileSync('mknod', [join(source, 'null'), 'c', '1', '3']);
    execFileSync('mkfifo', [join(source, 'fifo')]);
    execFileSync('chown', ['-R', '12:34', source]);
    writeFileSync(Buffer.from(`${source}/caf\xe9`, 'latin1'), 'no utf-8');
    writeFileSync(join(source, 'sparse'), 'begin');
    truncateSync(join(source, 'sparse'), 16 << 20);
    lsetxattr(join(source, 'a'), 'user.gantry', Buffer.from('y'));
    utimesSync(join(source, 'a'), 1_600_000_000, 1_600_000_000);
    for (const name of ['running', 'stopped']) {
      const back = join(daemon.dir, `back-${name}`);
      await ok(t, daemon, ['cp', '-a', source, `${name}:/tmp/`]);
      await ok(t, daemon, ['cp', '-a', `${name}:/tmp/src`, back]);
      const listing = (dir: string) =>
        execFileSync('sh', ['-c', 'cd "$0" && find . | sort | cksum', dir]).toString();
      t.equal(listing(back), listing(source), 'the same names');
      execFileSync('cmp', [join(source, 'sparse'), join(back, 'sparse')]);
      t.equal(readFileSync(join(back, 'sub/deep', 'x'.repeat(120)), 'utf8'), 'long');
      t.equal(readFileSync(Buffer.from(`${back}/caf\xe9`, 'latin1'), 'utf8'), 'no utf-8');
      t.equal(readlinkSync(join(back, 'link')), '/etc/passwd');
      const { mode, ino, mtimeMs } = statSync(join(back, 'a'));
      t.same([mode & 0o777, mtimeMs], [0o640, 1_600_000_000_000]);
      const raw = await archive(daemon, 'GET', `/containers/${name}/archive?path=/tmp/src/a`);
      t.match(
        execFileSync('tar', ['tvf', '-'], { input: raw.body, encoding: 'utf8' }),
        / 12\/34 /,
        'with its owner',
      );
      t.equal(statSync(join(back, 'b')).ino, ino, 'hard links stay one file');
      t.equal(lstatSync(join(back, 'null')).rdev, 0x103);
      t.ok(lstatSync(join(back, 'fifo')).isFIFO());
    }
    const inside = await ok(t, daemon, [
      'exec',
      'running',
      'stat',
      '-c',
      '%u:%g %s %b',
      '/tmp/src/a',
      '/tmp/src/sparse',
    ]);
    const [plain, sparse = ''] = inside.trim().split('\n');
    t.match(plain, /^12:34 3 /);
    t.ok(Number(sparse.split(' ')[2]) < 5_000, `holes stay holes: ${sparse}`);
    t.same(
      quietMounts(daemon).filter((line) => !line.includes('/rootfs')),
      [],
      'nothing else is mounted',
    );
  });

  t.test(`${driver}: volumes, binds, read-only places`, async (t) => {
    const host = join(t.testdir({ 'there.txt': 'bound' }));
    const daemon = await bench(t, driver, [
      '-v',
      `${host}:/bind`,
      '-v',
      `${host}:/ro:ro`,
      '--tmpfs',
      '/scratch',
    ]);
    writeFileSync(join(daemon.dir, 'f'), 'x');
    for (const name of ['running', 'stopped']) {
      await ok(t, daemon, ['cp', join(daemon.dir, 'f'), `${name}:/vol/from-${name}`]);
      await ok(t, daemon, ['cp', join(daemon.dir, 'f'), `${name}:/bind/from-${name}`]);
      t.equal(readFileSync(join(host, `from-${name}`), 'utf8'), 'x');
      await ok(t, daemon, ['cp', `${name}:/ro/there.txt`, join(daemon.dir, `got-${name}`)]);
      t.equal(readFileSync(join(daemon.dir, `got-${name}`), 'utf8'), 'bound');
      await refused(
        t,
        daemon,
        ['cp', join(daemon.dir, 'f'), `${name}:/ro/`],
        /mounted volume is marked read-only/,
      );
    }
    t.equal(await ok(t, daemon, ['exec', 'running', 'ls', '/vol']), 'from-running\nfrom-stopped\n');
    await ok(t, daemon, ['cp', join(daemon.dir, 'f'), 'running:/scratch/f']);
    t.equal(
      await ok(t, daemon, ['exec', 'running', 'cat', '/scratch/f']),
      'x',
      'a tmpfs of a running container',
    );
    await ok(t, daemon, ['create', '--name', 'sealed', '--read-only', '-v', 'vol:/vol', 'busybox', 'true']);
    await refused(
      t,
      daemon,
      ['cp', join(daemon.dir, 'f'), 'sealed:/tmp/'],
      /container rootfs is marked read-only/,
    );
    await ok(t, daemon, ['cp', join(daemon.dir, 'f'), 'sealed:/vol/']);
    await ok(t, daemon, ['cp', 'sealed:/etc/passwd', join(daemon.dir, 'passwd')]);
    await ok(t, daemon, ['pause', 'running']);
    await ok(t, daemon, ['cp', join(daemon.dir, 'f'), 'running:/tmp/while-paused']);
    await ok(t, daemon, ['cp', 'running:/tmp/while-paused', join(daemon.dir, 'paused')]);
    await ok(t, daemon, ['unpause', 'running']);
  });

  t.test(`${driver}: docker diff and docker export`, async (t) => {
    const daemon = await bench(t, driver);
    await ok(t, daemon, [
      'exec',
      'running',
      'sh',
      '-c',
      'echo 1 > /tmp/new; echo 2 >> /etc/passwd; rm /etc/shadow',
    ]);
    await ok(t, daemon, [
      'exec',
      'running',
      'sh',
      '-c',
      'echo in > /vol/in-volume; mkdir -p /a/b; echo 3 > /a/b/c',
    ]);
    const mounted = ['A /etc/hostname', 'A /etc/hosts', 'A /etc/resolv.conf', 'A /vol'];
    const own = [
      'A /a',
      'A /a/b',
      'A /a/b/c',
      'C /etc',
      'C /etc/passwd',
      'D /etc/shadow',
      'C /tmp',
      'A /tmp/new',
    ];
    const diff = (await ok(t, daemon, ['diff', 'running'])).trim().split('\n');
    t.same(diff.filter((line) => !mounted.includes(line)).sort(), [...own].sort());
    t.equal((await ok(t, daemon, ['diff', 'stopped'])).trim(), '');
    const whole = await archive(daemon, 'GET', '/containers/running/export');
    const listed = names(whole.body);
    for (const name of ['bin/sh', 'tmp/new', 'a/b/c', 'vol/', 'proc/']) t.ok(listed.includes(name), name);
    for (const name of ['etc/shadow', 'vol/in-volume', 'proc/1/', './', '/'])
      t.notOk(listed.includes(name), name);
    const file = join(daemon.dir, 'export.tar');
    await ok(t, daemon, ['stop', '-t', '0', 'running']);
    await ok(t, daemon, ['export', '-o', file, 'running']);
    t.same(names(readFileSync(file)), listed, 'the same when it has ended');
    await ok(t, daemon, ['import', file, 'again']);
    t.equal(await ok(t, daemon, ['run', '--rm', '--network', 'none', 'again', 'cat', '/a/b/c']), '3\n');
    t.same(quietMounts(daemon), [], 'nothing is left mounted');
  });
}

t.test('what a path is', async (t) => {
  const daemon = await bench(t, 'overlay');
  for (const name of ['running', 'stopped']) {
    const stat = async (path: string) =>
      (await archive(daemon, 'HEAD', `/containers/${name}/archive?path=${path}`)).stat;
    t.match(await stat('/etc/passwd'), {
      name: 'passwd',
      mode: 0o644,
      linkTarget: '',
      mtime: '2023-11-14T22:13:20Z',
    });
    t.match(await stat('/sbin'), { name: 'sbin', mode: 2 ** 27 + 0o777, linkTarget: '/bin' });
    t.match(await stat('/sbin/'), { name: 'sbin', mode: 2 ** 31 + 0o755, linkTarget: '' });
    t.match(await stat('/sbin/sh'), { name: 'sh', linkTarget: '/bin/busybox' });
    t.match(await stat('/'), { name: '/', mode: 2 ** 31 + 0o755 });
    t.match(await stat('/tmp/.'), { name: '.', mode: 2 ** 31 + 2 ** 20 + 0o777 });
    const get = (path: string) => archive(daemon, 'GET', `/containers/${name}/archive?path=${path}`);
    t.equal(names((await get('/root')).body)[0], 'root/');
    t.equal(names((await get('/root/.')).body)[0], './');
    t.same(names((await get('/')).body).slice(0, 3), ['/', '/bin/', '/bin/[']);
    t.same(names((await get('etc/passwd')).body), ['passwd']);
    t.match(await get('/nope'), { status: 404 });
    t.match((await get('/nope')).body.toString(), `Could not find the file /nope in container ${name}`);
    t.match(await get('/etc/passwd/'), { status: 400 });
    t.match(await get(''), { status: 400 });
  }
  t.match(await archive(daemon, 'HEAD', '/containers/nobody/archive?path=/'), { status: 404 });
});

t.test('archives in: kinds, owners, links, faults', async (t) => {
  const daemon = await bench(t, 'overlay', ['--user', 'nobody']);
  const cat = (path: string) => ok(t, daemon, ['exec', 'running', 'cat', path]);
  const f = { name: 'f', content: 'x', uid: 3, gid: 4 };
  t.match(await put(daemon, 'running', 'path=/nope', [f]), { status: 404 });
  t.match(await put(daemon, 'running', 'path=/etc/passwd', [f]), { status: 400 });
  t.match(await put(daemon, 'running', 'path=/tmp', [f]), { status: 200 });
  t.match(await ok(t, daemon, ['exec', 'running', 'stat', '-c', '%u:%g', '/tmp/f']), '3:4');
  t.match(await put(daemon, 'running', 'path=/tmp&copyUIDGID=1', [f]), { status: 200 });
  t.match(await ok(t, daemon, ['exec', 'running', 'stat', '-c', '%u:%g', '/tmp/f']), '65534:65534');
  const directory = { name: 'f/', kind: 'directory', mode: 0o755 } as const;
  const kept = await put(daemon, 'running', 'path=/tmp&noOverwriteDirNonDir=1', [directory]);
  t.match([kept.status, kept.body.toString()], [400, /cannot overwrite non-directory .* with directory/]);
  t.match(await put(daemon, 'running', 'path=/tmp', [directory, { name: 'f/g', content: 'inside' }]), {
    status: 200,
  });
  t.equal(await cat('/tmp/f/g'), 'inside', 'without it a directory takes the place of a file');
  const other = await put(daemon, 'running', 'path=/tmp&noOverwriteDirNonDir=1', [f]);
  t.match([other.status, other.body.toString()], [400, /cannot overwrite directory .* with non-directory/]);
  t.match(await put(daemon, 'running', 'path=/', [{ name: 'sbin/through', content: 'link' }]), {
    status: 200,
  });
  t.equal(await cat('/bin/through'), 'link', 'a link on the way is followed');
  t.match(await put(daemon, 'running', 'path=/tmp', [{ name: '../out', content: '' }]), { status: 400 });
  const hard = { name: 'h', kind: 'hardlink', linkName: 'f/g' } as const;
  t.match(await put(daemon, 'running', 'path=/tmp', [hard]), { status: 200 });
  t.equal(await cat('/tmp/h'), 'inside');
  t.match(
    await archive(daemon, 'PUT', '/containers/running/archive?path=/tmp', Buffer.from('no tar '.repeat(100))),
    { status: 400 },
  );
  const zipped = execFileSync('gzip', ['-c'], { input: tar([{ name: 'zipped', content: 'z' }]) });
  t.match(await archive(daemon, 'PUT', '/containers/running/archive?path=/tmp', zipped), { status: 200 });
  t.equal(await cat('/tmp/zipped'), 'z');
  t.match(await archive(daemon, 'PUT', '/containers/running/archive?path=/tmp', Buffer.alloc(0)), {
    status: 200,
  });
});

t.test('a disk that is full, and a client that leaves, leave no half file', async (t) => {
  const daemon = await bench(t, 'overlay', ['--tmpfs', '/small:size=1m']);
  const big = { name: 'big', content: Buffer.alloc(4 << 20, 'x') };
  const full = await put(daemon, 'running', 'path=/small', [big]);
  t.match([full.status, full.body.toString()], [503, /no space left/]);
  t.equal(await ok(t, daemon, ['exec', 'running', 'ls', '/small']), '');
  const leaving = request({
    socketPath: daemon.socket,
    method: 'PUT',
    path: '/containers/stopped/archive?path=/tmp',
    headers: { 'Transfer-Encoding': 'chunked' },
  });
  leaving.on('error', () => {});
  leaving.write(tar([big]).subarray(0, 1 << 20));
  // The container's key is taken while the archive comes; the daemon says so.
  for (;;) {
    const { stdout } = await daemon.gantry(['driver', 'why', 'stopped']);
    if (/copy/.test(stdout)) break;
  }
  leaving.destroy();
  await ok(t, daemon, ['start', 'stopped']);
  t.equal(
    await ok(t, daemon, ['exec', 'stopped', 'ls', '/tmp']),
    '',
    'the start waited for the copy to be given up',
  );
});

t.test('a copy ends with the run that it looks into, and with its container', async (t) => {
  const daemon = await bench(t, 'overlay');
  await ok(t, daemon, [
    'exec',
    'running',
    'sh',
    '-c',
    'dd if=/dev/zero of=/vol/big bs=1M count=64 2>/dev/null',
  ]);
  const slow = await new Promise<import('node:http').IncomingMessage>((got) =>
    request(
      { socketPath: daemon.socket, path: '/containers/running/archive?path=/vol', agent: false },
      got,
    ).end(),
  );
  const ended = new Promise((done) => slow.once('error', done).once('end', done).once('close', done));
  t.equal(slow.statusCode, 200);
  await ok(t, daemon, ['rm', '-f', 'running']); // nothing was read yet but the head
  slow.resume();
  await ended;
  t.notOk(slow.complete, 'it is cut off, not ended');
  t.same(quietMounts(daemon), []);
  t.ok(existsSync(join(daemon.dataRoot, 'containers')));
  t.same(readdirSync(join(daemon.dataRoot, 'containers')).length, 1);
});
