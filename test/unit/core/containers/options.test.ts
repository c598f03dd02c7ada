/** Options of `docker run` as functions: what a machine of another kind would do, and what no container can show. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deviceNumber, makedev } from '@gantry/plugin-sdk/system/nodes.ts';
import t from 'tap';
import { extraHosts } from '../../../../core/controllers/container/etc/extra-hosts.ts';
import { hostsText, hostsTextOnHost } from '../../../../core/controllers/container/etc/hosts.ts';
import { resolvConfText } from '../../../../core/controllers/container/etc/resolv-conf.ts';
import { signalNumber } from '../../../../core/controllers/container/lifecycle.ts';
import { settleBlockIo } from '../../../../core/controllers/container/options/block-io.ts';
import { cgroupsPathOf } from '../../../../core/controllers/container/options/cgroup.ts';
import { cpuResources, numbersOf, settleCpu } from '../../../../core/controllers/container/options/cpu.ts';
import {
  type HostSupport,
  unifiedSupport,
} from '../../../../core/controllers/container/options/host-support.ts';
import { initOf } from '../../../../core/controllers/container/options/init.ts';
import { memoryResources, settleMemory } from '../../../../core/controllers/container/options/memory.ts';
import { checkPlatform } from '../../../../core/controllers/container/options/platform.ts';
import { seccompSection } from '../../../../core/controllers/container/options/seccomp.ts';
import { confinementOf, securityOf } from '../../../../core/controllers/container/options/security.ts';
import { rlimitsOf } from '../../../../core/controllers/container/options/ulimits.ts';
import { resolveUser } from '../../../../core/controllers/container/user.ts';
import type { ImageRecord } from '../../../../core/store/record-types.ts';

const EVERYTHING: HostSupport = {
  unified: false,
  memoryLimit: true,
  swapLimit: true,
  memoryReservation: true,
  memorySwappiness: true,
  oomKillDisable: true,
  cpuShares: true,
  cpuQuota: true,
  cpuRealtime: true,
  cpuset: true,
  cpus: '0-3',
  memoryNodes: '0',
  blockWeight: true,
  blockWeightDevice: true,
  blockThrottle: true,
  pidsLimit: true,
};
const NOTHING = Object.fromEntries(
  Object.entries(EVERYTHING).map(([name, value]) => [name, typeof value === 'boolean' ? false : '']),
) as unknown as HostSupport;

const settling = () => ({ warnings: [] as string[], update: false });

t.test('memory', async (t) => {
  const settle = (given: object, support = EVERYTHING) => {
    const how = settling();
    return { ...settleMemory(given, support, how), warnings: how.warnings };
  };
  t.match(settle({ Memory: 1e7 }), { Memory: 1e7, MemorySwap: 2e7, OomKillDisable: false, warnings: [] });
  t.match(settle({ Memory: 1e7, MemorySwap: -1 }), { MemorySwap: -1 });
  t.match(settle({ MemorySwappiness: -1 }), { MemorySwappiness: null });
  t.match(settle({ Memory: 1e7 }, { ...EVERYTHING, swapLimit: false }), {
    MemorySwap: -1,
    warnings: [
      'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
    ],
  });
  const without = settle(
    { Memory: 1e7, MemoryReservation: 1e7, MemorySwappiness: 5, OomKillDisable: true },
    NOTHING,
  );
  t.match(without, { Memory: 0, MemoryReservation: 0, MemorySwappiness: null, OomKillDisable: null });
  t.equal(without.warnings.length, 4);
  t.match(settle({ KernelMemory: 1e7 }).warnings, [/kernel memory limit.*discarded/]);
  t.equal(memoryResources(settle({})), undefined, 'nothing is said when nothing is limited');
  t.same(memoryResources({ Memory: 1e7, MemorySwap: -1 }), { limit: 1e7, swap: -1 });
});

t.test('CPU and block I/O', async (t) => {
  t.same(numbersOf('0-2,7', 'cpus'), [0, 1, 2, 7]);
  for (const wrong of ['x', '1-', '-1', '2-1', '0,', '0-99999', '0x1']) {
    t.throws(() => numbersOf(wrong, 'cpus'), { code: 'INVALID_CONTAINER_OPTION' }, wrong);
  }
  t.same(cpuResources({ NanoCpus: 1_500_000_000 }), { period: 100_000, quota: 150_000 });
  t.same(cpuResources({ CpuPeriod: 1000, CpuQuota: -1, CpusetMems: '0' }), {
    period: 1000,
    quota: -1,
    mems: '0',
  });
  t.equal(cpuResources(settleCpu({}, EVERYTHING, settling())), undefined);

  const how = settling();
  const given = { CpuShares: 5, CpuPeriod: 5000, CpusetCpus: '0', CpuPercent: 3 };
  t.match(settleCpu(given, NOTHING, how), { CpuShares: 0, CpuPeriod: 0, CpusetCpus: '', CpuPercent: 0 });
  t.equal(how.warnings.length, 4);
  t.throws(() => settleCpu({ NanoCpus: 1e8 }, NOTHING, settling()), /NanoCPUs can not be set/);
  t.throws(() => settleCpu({ CpuRealtimeRuntime: 5 }, NOTHING, settling()), /does not support CPU real-time/);

  const block = settling();
  const limits = { BlkioWeight: 50, BlkioDeviceReadBps: [{ Path: '/dev/x', Rate: 1 }] };
  t.match(settleBlockIo(limits, NOTHING, block), { BlkioWeight: 0, BlkioDeviceReadBps: [] });
  t.equal(block.warnings.length, 2);
  t.match(settleBlockIo(limits, EVERYTHING, block), limits);
  t.throws(
    () => settleBlockIo({ BlkioWeight: 5 }, EVERYTHING, block),
    /Range of blkio weight is from 10 to 1000/,
  );
});

t.test('a machine with cgroup version 2 alone', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'gantry-v2-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  writeFileSync(join(root, 'cgroup.controllers'), 'cpuset cpu memory pids\n');
  writeFileSync(join(root, 'cpuset.cpus.effective'), '0-7\n');
  mkdirSync(join(root, 'system.slice'));
  writeFileSync(join(root, 'system.slice/memory.current'), '1\n');
  t.match(unifiedSupport(root), {
    memoryLimit: true,
    swapLimit: false,
    blockWeight: false,
    cpus: '0-7',
    pidsLimit: true,
  });
  writeFileSync(join(root, 'system.slice/memory.swap.max'), 'max\n');
  t.match(unifiedSupport(root), { swapLimit: true, oomKillDisable: false, memorySwappiness: false });
});

t.test('ulimits', async (t) => {
  const defaults = { nofile: { Name: 'nofile', Soft: 5, Hard: 6 }, core: { Name: 'core', Soft: 0, Hard: 0 } };
  const rlimits = rlimitsOf(
    {
      Ulimits: [
        { Name: 'memlock', Soft: -1, Hard: -1 },
        { Name: 'nofile', Soft: 1, Hard: 2 },
      ],
    },
    defaults,
  );
  t.equal(
    JSON.stringify(rlimits),
    '[{"type":"RLIMIT_NOFILE","soft":1,"hard":2},{"type":"RLIMIT_CORE","soft":0,"hard":0},' +
      '{"type":"RLIMIT_MEMLOCK","soft":18446744073709551615,"hard":18446744073709551615}]',
    'without a limit: all 64 bits, which no double holds',
  );
  t.equal(rlimitsOf({}, {}), undefined);
});

t.test('security options', async (t) => {
  const of = (...SecurityOpt: string[]) => securityOf({ SecurityOpt });
  t.same(of(), { noNewPrivileges: false, seccomp: 'builtin', apparmor: '', writableCgroups: false });
  t.match(of('no-new-privileges', 'seccomp:unconfined', 'apparmor=a:b'), {
    noNewPrivileges: true,
    seccomp: 'unconfined',
    apparmor: 'a:b',
  });
  t.match(of('seccomp={"a":"b=c"}', 'writable-cgroups=true'), {
    seccomp: '{"a":"b=c"}',
    writableCgroups: true,
  });
  const defaults = { noNewPrivileges: true, seccompProfile: 'unconfined' };
  t.match(securityOf({}, defaults), { noNewPrivileges: true, seccomp: 'unconfined' });
  t.match(securityOf({ SecurityOpt: ['no-new-privileges=false', 'seccomp=builtin'] }, defaults), {
    noNewPrivileges: false,
    seccomp: 'builtin',
  });
  t.match(securityOf({ Privileged: true }), { seccomp: 'unconfined', writableCgroups: true });
  t.match(confinementOf({ Privileged: true, SecurityOpt: ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}'] }), {
    maskedPaths: [],
    seccomp: { defaultAction: 'SCMP_ACT_ALLOW' },
  });
  t.match(confinementOf({ MaskedPaths: ['/x'], ReadonlyPaths: [] }), {
    maskedPaths: ['/x'],
    readonlyPaths: [],
  });
});

t.test('seccomp profiles', async (t) => {
  const rules = [
    { names: ['a'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_X'] } },
    { names: ['b'], action: 'SCMP_ACT_ALLOW', excludes: { caps: ['CAP_X'] } },
    { names: ['c'], action: 'SCMP_ACT_ALLOW', includes: { arches: ['arm64'] } },
    { names: ['d'], action: 'SCMP_ACT_ALLOW', includes: { minKernel: '99.0' } },
    { names: ['e'], action: 'SCMP_ACT_ALLOW', includes: { minKernel: '3.0' }, comment: 'x' },
    { name: 'f', action: 'SCMP_ACT_ERRNO', errnoRet: 38, args: [{ index: 0, value: 1, op: 'SCMP_CMP_EQ' }] },
  ];
  const archMap = [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }];
  const profile = JSON.stringify({
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 1,
    archMap,
    syscalls: rules,
  });
  const names = (capabilities: readonly string[], arch: string) =>
    seccompSection(profile, capabilities, arch)
      ?.syscalls?.map((rule) => rule.names.join())
      .join();
  t.equal(names(['CAP_X'], 'x64'), 'a,e,f');
  t.equal(names([], 'arm64'), 'b,c,e,f');
  t.match(seccompSection(profile, [], 'x64'), {
    defaultErrnoRet: 1,
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'],
  });
  t.equal(seccompSection('{}', []), undefined, 'Docker takes it for no profile');
  for (const wrong of [
    '',
    'x',
    '[]',
    '{"defaultAction":"X"}',
    '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_LOG","args":[{"index":0,"value":1,"op":"X"}]}]}',
    '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"X"}]}',
  ]) {
    t.throws(
      () => seccompSection(wrong, []),
      /^Error: Decoding seccomp profile failed|Decoding seccomp profile failed/,
      wrong,
    );
  }
});

t.test('users', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'gantry-root-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'etc'));
  t.same(resolveUser(root, ''), { uid: 0, gid: 0, additionalGids: [0], home: '/root' }, 'without any file');
  t.same(resolveUser(root, '5:6', ['7']), { uid: 5, gid: 6, additionalGids: [6, 7], home: '/' });

  // Out of the root: what is there stays unread.
  const outside = mkdtempSync(join(tmpdir(), 'gantry-outside-'));
  t.teardown(() => rmSync(outside, { recursive: true }));
  writeFileSync(join(outside, 'passwd'), 'spy:x:1:1::/:/bin/sh\n');
  symlinkSync(join(outside, 'passwd'), join(root, 'etc/passwd'));
  t.throws(() => resolveUser(root, 'spy'), /unable to find user spy: no matching entries in passwd file/);
  rmSync(join(root, 'etc/passwd'));
  symlinkSync(`../../../../../../..${outside}/passwd`, join(root, 'etc/passwd'));
  t.throws(() => resolveUser(root, 'spy'), /unable to find user spy/);
  mkdirSync(join(root, outside), { recursive: true });
  writeFileSync(join(root, outside, 'passwd'), 'spy:x:4:5::/home/spy:/bin/sh\n');
  t.match(resolveUser(root, 'spy'), { uid: 4, gid: 5, home: '/home/spy' }, 'the link means this one');

  // What would keep a reader waiting for ever, or never ends.
  for (const kind of ['fifo', 'loop', 'directory'] as const) {
    rmSync(join(root, 'etc/passwd'), { recursive: true, force: true });
    if (kind === 'fifo') execFileSync('mkfifo', [join(root, 'etc/passwd')]);
    if (kind === 'loop') symlinkSync('passwd', join(root, 'etc/passwd'));
    if (kind === 'directory') mkdirSync(join(root, 'etc/passwd'));
    t.match(resolveUser(root, '3'), { uid: 3 }, kind);
  }
});

t.test('resolv.conf', async (t) => {
  const host =
    '# mine\nnameserver 127.0.0.1\nnameserver 10.0.0.1 # far\nsearch old\nsearch a b\noptions edns0\noptions trust-ad\n';
  t.equal(resolvConfText(host, {}, false), 'nameserver 10.0.0.1\nsearch a b\noptions edns0 trust-ad\n');
  t.match(resolvConfText(host, {}, true), /^nameserver 127\.0\.0\.1\nnameserver 10\.0\.0\.1\n/);
  t.equal(resolvConfText('nameserver ::1\n', {}, false), 'nameserver 8.8.8.8\nnameserver 8.8.4.4\n');
  t.equal(resolvConfText('', {}, true), '');
  t.equal(
    resolvConfText(host, { Dns: ['127.0.0.9'], DnsSearch: ['.'], DnsOptions: ['ndots:1'] }, false),
    'nameserver 127.0.0.9\noptions ndots:1\n',
  );
  t.equal(
    resolvConfText('domain d\nnameserver 1.1.1.1', { Dns: [], DnsSearch: null }, false),
    'nameserver 1.1.1.1\nsearch d\n',
  );
});

t.test('hosts', async (t) => {
  t.same(extraHosts(['db:10.0.0.1', 'six:fe80::1', 'brackets:[::2]', 'older=10.0.0.2']), [
    { names: 'db', address: '10.0.0.1' },
    { names: 'six', address: 'fe80::1' },
    { names: 'brackets', address: '::2' },
    { names: 'older', address: '10.0.0.2' },
  ]);
  t.same(extraHosts(['up:host-gateway'], ['10.0.0.1', 'fd00::1']), [
    { names: 'up', address: '10.0.0.1' },
    { names: 'up', address: 'fd00::1' },
  ]);
  t.match(
    hostsText([{ names: 'db', address: '10.0.0.1' }]),
    /^127\.0\.0\.1\tlocalhost\n(.|\n)*\n10\.0\.0\.1\tdb\n$/,
  );
  t.equal(hostsTextOnHost('1.1.1.1 x', [{ names: 'db', address: '10.0.0.1' }]), '1.1.1.1 x\n10.0.0.1\tdb\n');
});

t.test('platforms', async (t) => {
  const image = { os: 'linux', architecture: 'amd64' } as ImageRecord;
  for (const fits of ['', 'linux', 'linux/amd64', 'amd64', 'x86_64', 'Linux/x86-64'])
    t.doesNotThrow(() => checkPlatform(fits, image, 'x'), fits);
  for (const other of ['linux/arm64', 'arm64', 'windows', 'aarch64']) {
    t.throws(
      () => checkPlatform(other, image, 'x'),
      { code: 'WRONG_PLATFORM', message: /image with reference x was found/ },
      other,
    );
  }
  for (const wrong of ['x', 'linux/x', '/', 'amd64/linux']) {
    t.throws(() => checkPlatform(wrong, image, 'x'), { code: 'INVALID_CONTAINER_OPTION' }, wrong);
  }
});

t.test('small ones', async (t) => {
  t.equal(cgroupsPathOf('id', {}), '/gantry/id');
  t.equal(cgroupsPathOf('id', { CgroupParent: 'a/b' }, { cgroupParent: 'c' }), '/a/b/id');
  t.equal(cgroupsPathOf('id', { CgroupParent: '../../a' }), '/a/id', 'never out of the hierarchy');
  t.equal(cgroupsPathOf('id', { CgroupParent: '' }, { cgroupParent: 'c' }), '/c/id');

  t.equal(initOf({}, {}), undefined);
  t.equal(initOf({ Init: true, PidMode: 'host' }, {}), undefined);
  t.equal(initOf({ Init: false }, { init: true }), undefined);
  t.match(initOf({ Init: null }, { init: true, initPath: '/some/init' }), {
    args: ['/sbin/docker-init', '--'],
    mount: { source: '/some/init', destination: '/sbin/docker-init' },
  });

  for (const device of [
    { major: 1, minor: 3 },
    { major: 254, minor: 300 },
    { major: 0xfff, minor: 0xfffff },
  ]) {
    t.same(deviceNumber(makedev(device)), device);
  }
});

t.test('signals', async (t) => {
  const numbers = { SIGTERM: 15, term: 15, 9: 9, 'SIGRTMIN+3': 37, rtmin: 34, 'RTMAX-1': 63, RTMAX: 64 };
  for (const [text, number] of Object.entries(numbers)) t.equal(signalNumber(text), number, text);
  for (const wrong of ['', '0', '65', '-1', 'NOSUCH', 'RTMIN-1', 'RTMAX+1', 'RTMIN+31', 'toString']) {
    t.throws(() => signalNumber(wrong), { code: 'INVALID_SIGNAL' }, wrong);
  }
});
