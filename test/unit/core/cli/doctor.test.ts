import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { CHECKS } from '../../../../core/cli/doctor/checks.ts';
import { type MachineEdges, thisMachine } from '../../../../core/cli/doctor/edges.ts';
import { atLeast, versionIn } from '../../../../core/cli/doctor/version-order.ts';
import { examine, run } from '../../../../core/cli/doctor.ts';

/** A machine that lacks nothing: a directory that stands for `/`, and programs that say their version. */
class Machine {
  readonly dir = mkdtempSync(path.join(tmpdir(), 'gantry-doctor-'));
  readonly edges: MachineEdges = { ...thisMachine([]), root: this.dir, path: [path.join(this.dir, 'bin')] };

  constructor() {
    this.file('proc/sys/kernel/osrelease', '6.1.0-18-amd64\n');
    this.file('proc/filesystems', 'nodev\tsysfs\nnodev\toverlay\n\text4\nnodev\tfuse\n');
    this.file('proc/sys/kernel/seccomp/actions_avail', 'kill_process errno allow\n');
    this.file('proc/sys/vm/memfd_noexec', '0\n');
    this.file('sys/fs/cgroup/cgroup.controllers', 'cpuset cpu io memory pids\n');
    for (const name of ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'user', 'uts'])
      this.file(`proc/self/ns/${name}`);
    for (const name of ['bridge', 'vxlan', 'veth', 'nf_tables']) this.file(`sys/module/${name}/refcnt`);
    this.file('dev/loop-control');
    this.file('usr/lib/x86_64-linux-gnu/libseccomp.so.2');
    this.file('usr/lib/x86_64-linux-gnu/libnftables.so.1');
    this.program('conmon', 'conmon version 2.1.6');
    this.program('crun', 'crun version 1.8.1');
    this.program('runc', 'runc version 1.1.5');
    for (const name of [
      'setpriv',
      'modprobe',
      'mount.nfs',
      'mount.cifs',
      'socat',
      'xz',
      'docker',
      'busybox',
    ]) {
      this.program(name, `${name} 1.0`);
    }
  }

  file(name: string, text: string | Buffer = ''): void {
    const file = path.join(this.dir, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  program(name: string, says: string, code = 0): void {
    this.file(`bin/${name}`, `#!/bin/sh\necho '${says}'\nexit ${code}\n`);
    chmodSync(path.join(this.dir, 'bin', name), 0o755);
  }

  without(name: string): void {
    rmSync(path.join(this.dir, name), { recursive: true });
  }

  /** Statuses other than ok, with what was found. */
  async lacks(): Promise<Record<string, string>> {
    const all = await examine(this.edges);
    return Object.fromEntries(
      all
        .filter(({ status }) => status !== 'ok')
        .map(({ id, status, detail }) => [id, `${status}: ${detail}`]),
    );
  }
}

async function withMachine(work: (machine: Machine) => Promise<void>): Promise<void> {
  const machine = new Machine();
  try {
    await work(machine);
  } finally {
    rmSync(machine.dir, { recursive: true });
  }
}

interface Break {
  readonly name: string;
  readonly by: (machine: Machine) => void;
  /** Checks that see it; every other stays as it was. */
  readonly seen: Readonly<Record<string, RegExp>>;
}

const module = (name: string) => (machine: Machine) => {
  machine.without(`sys/module/${name}`);
  machine.file('proc/config.gz', gzipSync('CONFIG_NET=y\n# CONFIG_X is not set\n'));
};
const program = (name: string) => (machine: Machine) => machine.without(`bin/${name}`);

const BREAKS: readonly Break[] = [
  {
    name: 'not Linux',
    by: (machine) => machine.without('proc/sys/kernel/osrelease'),
    seen: { linux: /not Linux/, pidfd: /not Linux/, openat2: /not Linux/ },
  },
  {
    name: 'Linux 5.9',
    by: (machine) => machine.file('proc/sys/kernel/osrelease', '5.9.16\n'),
    seen: { linux: /5\.9\.16 is older than 5\.10/ },
  },
  {
    name: 'Linux 5.5',
    by: (machine) => machine.file('proc/sys/kernel/osrelease', '5.5.0-rc1\n'),
    seen: { linux: /older/, openat2: /older than 5\.6/ },
  },
  {
    name: 'Linux 4.19',
    by: (machine) => machine.file('proc/sys/kernel/osrelease', '4.19.0\n'),
    seen: { linux: /older/, openat2: /older/, pidfd: /older than 5\.3/ },
  },
  {
    name: 'no overlay',
    by(machine) {
      machine.file('proc/filesystems', 'nodev\tsysfs\nnodev\tfuse\n');
      machine.file('proc/config.gz', gzipSync('CONFIG_NET=y\n'));
    },
    seen: { overlay: /neither built in nor a module "overlay"/ },
  },
  {
    name: 'no cgroups',
    by: (machine) => machine.without('sys/fs/cgroup'),
    seen: { cgroups: /none mounted/ },
  },
  {
    name: 'cgroup v2 without pids',
    by: (machine) => machine.file('sys/fs/cgroup/cgroup.controllers', 'cpu memory\n'),
    seen: { cgroups: /v2 without the controllers pids/ },
  },
  {
    name: 'no user and network namespaces',
    by(machine) {
      machine.without('proc/self/ns/user');
      machine.without('proc/self/ns/net');
    },
    seen: { namespaces: /no net, user namespace/ },
  },
  {
    name: 'no seccomp',
    by: (machine) => machine.without('proc/sys/kernel/seccomp'),
    seen: { seccomp: /not found/ },
  },
  {
    name: 'no runtime',
    by(machine) {
      machine.without('bin/crun');
      machine.without('bin/runc');
    },
    seen: { 'oci-runtime': /not found/, crun: /not found/, runc: /not found/ },
  },
  { name: 'no crun', by: program('crun'), seen: { crun: /not found/ } },
  { name: 'no runc', by: program('runc'), seen: { runc: /not found/ } },
  { name: 'no conmon', by: program('conmon'), seen: { conmon: /not found/ } },
  {
    name: 'an old conmon',
    by: (machine) => machine.program('conmon', 'conmon version 2.0.25'),
    seen: { conmon: /2\.0\.25 is older than 2\.1\.0/ },
  },
  {
    name: 'a conmon that does not run',
    by: (machine) => machine.program('conmon', 'error while loading shared libraries', 127),
    seen: { conmon: /does not run/ },
  },
  { name: 'no setpriv', by: program('setpriv'), seen: { setpriv: /not found/ } },
  {
    name: 'memory files may not run',
    by: (machine) => machine.file('proc/sys/vm/memfd_noexec', '2\n'),
    seen: { 'memfd-exec': /memfd_noexec is 2/ },
  },
  {
    name: 'no libseccomp',
    by: (machine) => machine.without('usr/lib/x86_64-linux-gnu/libseccomp.so.2'),
    seen: { libseccomp: /not found/ },
  },
  { name: 'no modprobe', by: program('modprobe'), seen: { modprobe: /not found/ } },
  { name: 'no bridge', by: module('bridge'), seen: { bridge: /neither built in/ } },
  { name: 'no veth', by: module('veth'), seen: { veth: /neither built in/ } },
  { name: 'no vxlan', by: module('vxlan'), seen: { vxlan: /neither built in/ } },
  { name: 'no nftables', by: module('nf_tables'), seen: { nftables: /neither built in/ } },
  {
    name: 'no libnftables',
    by: (machine) => machine.without('usr/lib/x86_64-linux-gnu/libnftables.so.1'),
    seen: { libnftables: /not found/ },
  },
  {
    name: 'no loop devices',
    by(machine) {
      machine.without('dev/loop-control');
      machine.file('boot/config-6.1.0-18-amd64', 'CONFIG_NET=y\n');
    },
    seen: { loop: /neither built in/ },
  },
  {
    name: 'no fuse',
    by(machine) {
      machine.file('proc/filesystems', 'nodev\toverlay\n');
      machine.file('proc/config.gz', gzipSync('CONFIG_NET=y\n'));
    },
    seen: { fuse: /neither built in/ },
  },
  { name: 'no mount.nfs', by: program('mount.nfs'), seen: { 'mount.nfs': /not found/ } },
  { name: 'no mount.cifs', by: program('mount.cifs'), seen: { 'mount.cifs': /not found/ } },
  { name: 'no socat', by: program('socat'), seen: { socat: /not found/ } },
  { name: 'no xz', by: program('xz'), seen: { xz: /not found/ } },
  { name: 'no docker', by: program('docker'), seen: { docker: /not found/ } },
  { name: 'no busybox', by: program('busybox'), seen: { 'busybox-static': /not found/ } },
  {
    name: 'a dynamic busybox',
    by(machine) {
      machine.file('bin/busybox', '#!/bin/sh\n# /lib64/ld-linux-x86-64.so.2\necho 1\n');
    },
    seen: { 'busybox-static': /linked dynamically/ },
  },
];

t.test('a machine that lacks nothing', (t) =>
  withMachine(async (machine) => {
    t.same(await machine.lacks(), {});
  }),
);

t.test('what is missing is seen, and nothing else', async (t) => {
  for (const { name, by, seen } of BREAKS) {
    await withMachine(async (machine) => {
      by(machine);
      const lacks = await machine.lacks();
      t.match(lacks, seen, name);
      t.same(Object.keys(lacks).sort(), Object.keys(seen).sort(), name);
    });
  }
});

t.test('every check has been broken, and says what it costs and how to mend it', async (t) => {
  const broken = new Set(BREAKS.flatMap(({ seen }) => Object.keys(seen)));
  for (const { id, costs, debian, elsewhere } of CHECKS) {
    t.ok(broken.has(id), id);
    t.ok(costs !== '' && (debian ?? elsewhere), id);
  }
});

t.test('cgroups of each kind', async (t) => {
  const v1 = (machine: Machine) => {
    machine.without('sys/fs/cgroup');
    for (const name of ['memory', 'pids', 'cpu']) machine.file(`sys/fs/cgroup/${name}/cgroup.procs`);
  };
  const rows: readonly [string, (machine: Machine) => void, RegExp][] = [
    ['v2', () => {}, /^v2$/],
    ['v1', v1, /^v1$/],
    ['hybrid', both(v1, ''), /tracking only/],
    [
      'hybrid with controllers',
      both(v1, 'hugetlb\n'),
      /controllers on the v2 side \(hugetlb\).*hides the v2 side from it$/,
    ],
  ];
  for (const [name, change, detail] of rows) {
    await withMachine(async (machine) => {
      change(machine);
      const found = (await examine(machine.edges)).find(({ id }) => id === 'cgroups');
      t.match(found, { status: 'ok', detail }, name);
    });
  }
});

function both(first: (machine: Machine) => void, controllers: string) {
  return (machine: Machine) => {
    first(machine);
    machine.file('sys/fs/cgroup/unified/cgroup.controllers', controllers);
  };
}

t.test('a module that is not loaded counts; a kernel that tells nothing is unknown', async (t) => {
  await withMachine(async (machine) => {
    machine.without('sys/module/vxlan');
    t.match(await machine.lacks(), { vxlan: /^unknown/ });
    machine.file('lib/modules/6.1.0-18-amd64/modules.dep', 'kernel/drivers/net/vxlan/vxlan.ko: x.ko\n');
    t.same(await machine.lacks(), {});
  });
});

t.test('the command exits with 1 only for what is required', async (t) => {
  const status = async (format: string | undefined) => {
    let out = '';
    const code = await run({
      operands: [],
      values: { format },
      environment: { host: '', path: [] },
      client: () => Promise.reject(new Error('the doctor asks no daemon')),
      print: (text) => {
        out += text;
      },
      complain: () => {},
    });
    return { out, code };
  };
  const { out, code } = await status('json');
  const all = JSON.parse(out) as { status: string; required: boolean }[];
  t.equal(all.length, CHECKS.length);
  t.equal(code, all.some((one) => one.required && one.status === 'missing') ? 1 : 0);
  t.match((await status(undefined)).out, /^STATUS +CHECK +NEED +FOUND\n/);
});

t.test('versions', async (t) => {
  const rows: readonly [string, string, boolean][] = [
    ['6.18.44-fc', '5.10', true],
    ['5.10', '5.10', true],
    ['5.9.99', '5.10', false],
    ['2.1', '2.1.0', true],
    ['2.0.30', '2.1.0', false],
  ];
  for (const [version, oldest, is] of rows) t.equal(atLeast(version, oldest), is, `${version} ${oldest}`);
  t.equal(versionIn('conmon version 2.1.6\ncommit: x'), '2.1.6');
  t.equal(versionIn('nothing'), undefined);
});
