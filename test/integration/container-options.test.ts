/** Every option of `docker run` that is not about networks: what the container is like inside, on crun and runc. Needs root. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isUnifiedCgroup } from '@gantry/plugin-sdk/oci/default-spec.ts';
import { mknod, S_IFCHR } from '@gantry/plugin-sdk/system/nodes.ts';
import t, { type Test } from 'tap';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';
import { makeBusyboxArchive } from '../fixtures/make-busybox-image.ts';
import { INSIDE, type Inside, LIMITS_V1, LIMITS_V2 } from './container-options/inside.ts';
import { REFUSED, type Refused } from './container-options/refused.ts';

t.jobs = 2;
t.setTimeout(180_000);
for (const runtime of ['crun', 'runc']) {
  t.test(runtime, { buffered: true }, async (t) => {
    const daemon = await startTestDaemon(t, { args: ['--default-runtime', runtime] });
    t.teardown(removeCgroups);
    await loadImage(daemon);
    const words = machineWords(daemon.dir);
    await runDetached(daemon, 'giver', ['--ipc', 'shareable', '--shm-size', '2m']);
    await daemon.docker(['exec', 'giver', 'sh', '-c', 'echo given > /dev/shm/given']);
    const groups = { limits: isUnifiedCgroup() ? LIMITS_V2 : LIMITS_V1, ...INSIDE };
    for (const [name, rows] of Object.entries(groups)) {
      await t.test(name, async (t) => {
        for (const row of rows) await look(t, daemon, row, words);
      });
    }
    await t.test('exec inherits', (t) => execInherits(t, daemon));
    if (runtime === 'crun') {
      await t.test('refused', (t) => refusals(t, daemon));
      await t.test('inspect', (t) => inspected(t, daemon));
      await t.test('shared memory goes with its container', (t) => sharedMemoryGoes(t, daemon));
    }
  });
}

/** Its /etc/passwd is a link with an absolute target, which means nothing on the host. */
async function loadImage(daemon: TestDaemon): Promise<void> {
  const passwd =
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/home:/bin/false\nworker:x:7:8::/work:/bin/sh\n';
  const layer = [
    { name: 'data/', kind: 'directory' as const, mode: 0o755 },
    { name: 'data/passwd', content: passwd },
    { name: 'etc/passwd', kind: 'symlink' as const, mode: 0o777, linkName: '/data/passwd' },
    { name: 'etc/group', content: 'root:x:0:\ncrew:x:8:\nmore:x:9:someone,worker\nnogroup:x:65534:\n' },
    { name: 'link', kind: 'symlink' as const, mode: 0o777, linkName: 'data' },
  ];
  const archive = join(daemon.dir, 'image.tar');
  makeBusyboxArchive(archive, { tag: 'busybox:latest', extraLayers: [layer] });
  const { code, stderr } = await daemon.docker(['load', '-q', '-i', archive]);
  if (code !== 0) throw new Error(stderr);
}

/** What the words in the rows stand for here. */
function machineWords(dir: string): Readonly<Record<string, string>> {
  const bounding = /^CapBnd:\t(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
  const butMknod = (BigInt(`0x${bounding}`) & ~(1n << 27n)).toString(16).padStart(16, '0');
  const devices = join(dir, 'devices');
  mkdirSync(join(devices, 'below'), { recursive: true });
  mknod(join(devices, 'one'), S_IFCHR | 0o666, { major: 1, minor: 3 });
  mknod(join(devices, 'below/two'), S_IFCHR | 0o666, { major: 1, minor: 5 });
  symlinkSync('one', join(devices, 'link'));
  const profile = join(dir, 'profile.json');
  const forbid = {
    names: ['mkdir', 'mkdirat'],
    action: 'SCMP_ACT_ERRNO',
    excludes: { caps: ['CAP_SYS_ADMIN'] },
  };
  writeFileSync(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [forbid] }));
  const absent = ['null', 'tty0', 'kmsg', 'loop-control'].filter((name) => !isDevice(`/dev/${name}`));
  return {
    HOST_CAPS_BUT_MKNOD: butMknod,
    HOST_CAPS: bounding,
    HOST_NAME: hostname(),
    HOST_IPC: readlinkSync('/proc/self/ns/ipc'),
    HOST_DEVICES: absent.map((name) => `no ${name}`).join('\n'),
    DEVICES: devices,
    PROFILE: profile,
  };
}

function isDevice(path: string): boolean {
  try {
    return statSync(path).isCharacterDevice();
  } catch {
    return false;
  }
}

async function look(
  t: Test,
  daemon: TestDaemon,
  { options, script, says, warns }: Inside,
  words: Readonly<Record<string, string>>,
): Promise<void> {
  const real = (text: string) =>
    Object.entries(words).reduce((so, [word, value]) => so.replaceAll(word, value), text);
  const network = options.includes('--network') ? [] : ['--network', 'none'];
  const args = ['run', '--rm', ...network, ...options.map(real), 'busybox', 'sh', '-c', real(script)];
  const { stdout, stderr } = await daemon.docker(args);
  const name = `${options.join(' ')}: ${script}`;
  const said = stdout.trim();
  if (typeof says === 'string') t.equal(said, real(says), name, { stderr });
  else t.match(said, new RegExp(escaped(says, real)), name, { stderr });
  const warnings = stderr.split('\n').filter((line) => line.startsWith('WARNING'));
  t.match(warnings.join('\n'), warns ?? /^$/, `${name}: warnings`);
}

/** Our words have letters and `_` only; what they stand for may have brackets, as `ipc:[1]`. */
function escaped({ source }: RegExp, real: (text: string) => string): string {
  return source.replace(/HOST_\w+/g, (word) => real(word).replace(/[[\]]/g, '\\$&'));
}

async function runDetached(daemon: TestDaemon, name: string, options: readonly string[]): Promise<string> {
  const args = ['run', '-d', '--network', 'none', '--name', name, ...options, 'busybox', 'sleep', '100000'];
  const { stdout, stderr, code } = await daemon.docker(args);
  if (code !== 0) throw new Error(`${name}: ${stderr}`);
  return stdout.trim();
}

async function execInherits(t: Test, daemon: TestDaemon): Promise<void> {
  await runDetached(daemon, 'box', [
    ...['-u', 'worker', '--group-add', '77', '-w', '/data', '-e', 'OWN=1', '--cap-add', 'sys_time'],
    ...['--ulimit', 'memlock=4096', '--oom-score-adj', '300', '--security-opt', 'no-new-privileges'],
  ]);
  // crun is given the score for it once it runs.
  const score =
    'i=0; while [ $i -lt 500 ] && ! grep -q 300 /proc/$$/oom_score_adj; do usleep 10000; i=$((i+1)); done';
  const status = 'cat /proc/$$/oom_score_adj; grep -E "NoNew|CapBnd|Seccomp:" /proc/self/status';
  const script = `id -un; id -G; pwd; echo $OWN; ulimit -l; ${score}; ${status}`;
  const { stdout } = await daemon.docker(['exec', 'box', 'sh', '-c', script]);
  t.equal(
    stdout,
    'worker\n8 9 77\n/data\n1\n4\n300\nCapBnd:\t00000000aa0425fb\nNoNewPrivs:\t1\nSeccomp:\t2\n',
  );
  const other = await daemon.docker([
    'exec',
    '-u',
    '0',
    '--privileged',
    'box',
    'sh',
    '-c',
    'id -G; grep CapEff /proc/self/status',
  ]);
  t.match(other.stdout, /^0 77\nCapEff:\t/);
  t.notMatch(other.stdout, /00000000aa0425fb/, 'all capabilities');
  await daemon.docker(['rm', '-f', 'box']);

  await runDetached(daemon, 'strong', ['--privileged']);
  const strong = await daemon.docker([
    'exec',
    'strong',
    'sh',
    '-c',
    'grep -E "CapEff|Seccomp:" /proc/self/status',
  ]);
  t.match(strong.stdout, /Seccomp:\t0/);
  t.notMatch(strong.stdout, /CapEff:\t00000000a80425fb/);
  await daemon.docker(['rm', '-f', 'strong']);
}

async function refusals(t: Test, daemon: TestDaemon): Promise<void> {
  await runDetached(daemon, 'private', []);
  await daemon.docker(['create', '--network', 'none', '--name', 'still', 'busybox']);
  for (const refused of REFUSED) await refusal(t, daemon, refused);
  await daemon.docker(['rm', '-f', 'private', 'still']);
}

async function refusal(
  t: Test,
  daemon: TestDaemon,
  { hostConfig, config, status, says, start }: Refused,
): Promise<void> {
  const name = JSON.stringify({ ...config, ...hostConfig });
  const body = {
    Image: 'busybox',
    Cmd: ['true'],
    ...config,
    HostConfig: { NetworkMode: 'none', ...hostConfig },
  };
  const created = await daemon.api('POST', '/containers/create', body);
  if (!start) return void t.match(created, { status, body: { message: says } }, name);
  t.equal(created.status, 201, name, { text: created.text });
  const { Id } = created.body as { Id: string };
  const started = await daemon.api('POST', `/containers/${Id}/start`);
  t.match(started, { status, body: { message: says } }, `start: ${name}`);
  t.equal((await daemon.api('DELETE', `/containers/${Id}`)).status, 204, `rm: ${name}`);
}

async function inspected(t: Test, daemon: TestDaemon): Promise<void> {
  const inspect = async (body: object) => {
    const { body: made, text } = await daemon.api('POST', '/containers/create', {
      Image: 'busybox',
      ...body,
    });
    const { Id } = made as { Id: string };
    if (!Id) throw new Error(text);
    const { body: answer } = await daemon.api('GET', `/containers/${Id}/json`);
    await daemon.api('DELETE', `/containers/${Id}`);
    return answer as { Config: Record<string, unknown>; HostConfig: Record<string, unknown>; Id: string };
  };
  const plain = await inspect({ HostConfig: { NetworkMode: 'none' } });
  t.match(plain.HostConfig, {
    ShmSize: 67_108_864,
    IpcMode: 'private',
    CgroupnsMode: isUnifiedCgroup() ? 'private' : 'host',
    Binds: null,
    CapAdd: null,
    Dns: null,
    Devices: null,
    Ulimits: null,
    SecurityOpt: null,
    MemorySwappiness: null,
    PidsLimit: null,
    PortBindings: {},
    RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
  });
  t.ok((plain.HostConfig.MaskedPaths as string[]).includes('/proc/kcore'));
  t.ok((plain.HostConfig.ReadonlyPaths as string[]).includes('/proc/sys'));
  t.notOk('Tmpfs' in plain.HostConfig || 'Sysctls' in plain.HostConfig || 'Init' in plain.HostConfig);
  t.match(plain.Config, { Hostname: plain.Id.slice(0, 12), Cmd: ['sh'], Entrypoint: null, WorkingDir: '' });

  const given = {
    Memory: 20_000_000,
    NanoCpus: 500_000_000,
    CapAdd: ['net_admin'],
    CapDrop: ['all'],
    Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }],
    Sysctls: { 'net.core.somaxconn': '7' },
    Tmpfs: { '/t': 'size=1m' },
    Devices: [{ PathOnHost: '/dev/null', PathInContainer: '/dev/n', CgroupPermissions: 'r' }],
    Init: true,
    MaskedPaths: [],
    Annotations: { a: 'b' },
  };
  const { HostConfig } = await inspect({ Hostname: 'box', HostConfig: { NetworkMode: 'none', ...given } });
  t.match(HostConfig, { ...given, MemorySwap: 40_000_000 });

  const strong = await inspect({ HostConfig: { NetworkMode: 'none', Privileged: true } });
  t.match(strong.HostConfig, {
    Privileged: true,
    MaskedPaths: null,
    ReadonlyPaths: null,
    SecurityOpt: ['label=disable'],
  });
  const joins = await inspect({ HostConfig: { NetworkMode: 'none', IpcMode: 'container:giver' } });
  t.match(joins.HostConfig.IpcMode, /^container:[0-9a-f]{64}$/);
}

async function sharedMemoryGoes(t: Test, daemon: TestDaemon): Promise<void> {
  const id = await runDetached(daemon, 'shares', ['--ipc', 'shareable']);
  const at = join(daemon.execRoot, 'containers', id, 'shm');
  t.ok(statSync(at).isDirectory());
  await runDetached(daemon, 'joins', ['--ipc', 'container:shares']);
  await daemon.docker(['kill', 'shares']);
  // An end is told before what it leaves is cleaned up.
  for (const until = Date.now() + 30_000; existsSync(at) && Date.now() < until; ) await delay(20);
  t.notOk(existsSync(at), 'gone with its end');
  t.equal(
    (await daemon.docker(['exec', 'joins', 'sh', '-c', 'echo x > /dev/shm/x && cat /dev/shm/x'])).stdout,
    'x\n',
  );
  const again = await daemon.docker(['restart', '-t', '0', 'joins']);
  t.match(again, { code: 1, stderr: /cannot join IPC of a non running container/ });
  t.equal((await daemon.docker(['start', 'shares'])).code, 0);
  t.equal((await daemon.docker(['start', 'joins'])).code, 0, 'it joins the one that it was made for');
  await daemon.docker(['rm', '-f', 'joins', 'shares']);
  // Others of this machine may leave something meanwhile; the effect would be named.
  t.notMatch((await daemon.gantry(['fsck'])).stdout, /shm/);
}

/** Of `--cgroup-parent`, which nobody removes, as in Docker. */
async function removeCgroups(): Promise<void> {
  const root = '/sys/fs/cgroup';
  for (const hierarchy of ['.', ...readdirSync(root)]) {
    for (const dir of ['options-test/below', 'options-test']) {
      try {
        rmdirSync(join(root, hierarchy, dir));
      } catch {
        // not in this hierarchy, or the other runtime's test still uses it
      }
    }
  }
}
