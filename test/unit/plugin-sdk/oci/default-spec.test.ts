import { isKind } from '@gantry/plugin-sdk/errors.ts';
import {
  allCapabilities,
  capabilitiesFor,
  DEFAULT_CAPABILITIES,
  defaultSpec,
} from '@gantry/plugin-sdk/oci/default-spec.ts';
import { seccompFor } from '@gantry/plugin-sdk/oci/seccomp-profile.ts';
import t from 'tap';

t.test('capabilities follow --cap-add and --cap-drop', async (t) => {
  const without = (...names: string[]) => DEFAULT_CAPABILITIES.filter((name) => !names.includes(name));
  const rows: [add: string[], drop: string[], expected: readonly string[]][] = [
    [[], [], DEFAULT_CAPABILITIES],
    [['net_admin'], [], [...DEFAULT_CAPABILITIES, 'CAP_NET_ADMIN']],
    [['CAP_CHOWN'], [], DEFAULT_CAPABILITIES],
    [[], ['chown', 'CAP_KILL'], without('CAP_CHOWN', 'CAP_KILL')],
    [[], ['ALL'], []],
    [['SYS_TIME'], ['all'], ['CAP_SYS_TIME']],
    [['ALL'], [], allCapabilities()],
    [['ALL'], ['CHOWN'], allCapabilities().filter((name) => name !== 'CAP_CHOWN')],
    [['CHOWN'], ['CHOWN'], [...without('CAP_CHOWN'), 'CAP_CHOWN']],
  ];
  for (const [add, drop, expected] of rows) {
    t.strictSame(capabilitiesFor(add, drop), expected, `+${add} -${drop}`);
  }
  t.equal(DEFAULT_CAPABILITIES.length, 14);
  try {
    capabilitiesFor(['CAP_FLY'], []);
    t.fail('takes an unknown name');
  } catch (error) {
    t.ok(isKind(error, 'InvalidArgument'));
  }
});

t.test('the default specification', async (t) => {
  const spec = defaultSpec({ cgroupsPath: '/gantry/c' });
  t.strictSame(
    spec.mounts.map((mount) => mount.destination),
    ['/proc', '/dev', '/dev/pts', '/sys', '/sys/fs/cgroup', '/dev/mqueue', '/dev/shm'],
  );
  t.match(spec.linux.namespaces, [
    { type: 'mount' },
    { type: 'network' },
    { type: 'uts' },
    { type: 'pid' },
    { type: 'ipc' },
  ]);
  t.match(spec.linux.resources.devices[0], { allow: false, access: 'rwm' });
  const types = (options: object) =>
    defaultSpec({ cgroupsPath: '/c', ...options }).linux.namespaces.filter(({ type }) => type === 'network');
  t.strictSame(types({ hostNetwork: true }), []);
  t.strictSame(types({ networkNamespace: '/run/netns/x' }), [{ type: 'network', path: '/run/netns/x' }]);
  const shm = defaultSpec({ cgroupsPath: '/c', shmSizeBytes: 4096 }).mounts.at(-1);
  t.ok(shm?.options.includes('size=4096'));
  t.match(defaultSpec({ cgroupsPath: '/c', privileged: true }).linux, { maskedPaths: [], readonlyPaths: [] });
});

t.test('the default seccomp profile depends on the capabilities', async (t) => {
  const allowed = (capabilities: string[], arch = 'x64') =>
    new Set(
      seccompFor(capabilities, arch).syscalls?.flatMap((rule) =>
        rule.action === 'SCMP_ACT_ALLOW' && rule.args === undefined ? rule.names : [],
      ),
    );
  const rows: [capabilities: string[], yes: string[], no: string[]][] = [
    [
      [],
      ['read', 'execve', 'ptrace', 'arch_prctl'],
      ['mount', 'clone', 'clone3', 'bpf', 'chroot', 'io_uring_setup', 'keyctl'],
    ],
    [['CAP_SYS_ADMIN'], ['mount', 'clone', 'clone3', 'setns', 'bpf'], ['chroot', 'reboot']],
    [['CAP_SYS_CHROOT'], ['chroot'], ['mount']],
  ];
  for (const [capabilities, yes, no] of rows) {
    const names = allowed(capabilities);
    t.strictSame([yes.filter((name) => !names.has(name)), no.filter((name) => names.has(name))], [[], []]);
  }
  const clone3 = seccompFor([]).syscalls?.find((rule) => rule.names.includes('clone3'));
  t.match(clone3, { action: 'SCMP_ACT_ERRNO', errnoRet: 38 });
  t.ok(allowed([], 'arm64').has('cacheflush'));
  t.throws(() => seccompFor([], 'mips'), /"mips"/);
  const base = [...allowed([])];
  t.equal(new Set(base).size, base.length);
});
