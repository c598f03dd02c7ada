/** What Gantry needs of a machine: one row each, with what its absence costs and how to get it. */
import { cgroups } from './cgroups.ts';
import {
  exists,
  findLibrary,
  findProgram,
  kernelHas,
  kernelRelease,
  type MachineEdges,
  read,
} from './edges.ts';
import { atLeast, versionIn } from './version-order.ts';

export interface Outcome {
  /** `unknown`: nothing on this machine tells. */
  readonly status: 'ok' | 'missing' | 'unknown';
  /** What was found: a version, a path, or why it does not do. */
  readonly detail: string;
}

export interface DoctorCheck {
  readonly id: string;
  readonly required: boolean;
  /** What cannot be done without it. */
  readonly costs: string;
  /** Package of Debian and Ubuntu; absent for what comes with the kernel. */
  readonly debian?: string;
  /** Where else to get it, or what else to do. */
  readonly elsewhere?: string;
  readonly look: (edges: MachineEdges) => Outcome | Promise<Outcome>;
}

const OLDEST_LINUX = '5.10';
const OLDEST_CONMON = '2.1.0';

export const CHECKS: readonly DoctorCheck[] = [
  {
    id: 'linux',
    required: true,
    costs: 'everything',
    elsewhere: `run Linux ${OLDEST_LINUX} or newer`,
    look: (edges) => linux(edges, OLDEST_LINUX),
  },
  {
    id: 'pidfd',
    required: true,
    costs: 'waiting for processes that are no children of the daemon',
    elsewhere: 'run Linux 5.3 or newer',
    look: (edges) => linux(edges, '5.3'),
  },
  {
    id: 'openat2',
    required: true,
    costs: 'opening paths inside containers and volumes without being led out of them',
    elsewhere: 'run Linux 5.6 or newer',
    look: (edges) => linux(edges, '5.6'),
  },
  {
    id: 'overlay',
    required: true,
    costs: 'image layers and containers that write',
    elsewhere: 'modprobe overlay',
    look: (edges) => fileSystem(edges, 'overlay', 'OVERLAY_FS', 'overlay'),
  },
  {
    id: 'cgroups',
    required: true,
    costs: 'containers: their limits, and ending all of their processes',
    elsewhere: 'mount cgroup v2 at /sys/fs/cgroup',
    look: cgroups,
  },
  {
    id: 'namespaces',
    required: true,
    costs: 'containers',
    elsewhere: 'run a kernel with namespaces (CONFIG_NAMESPACES)',
    look: namespaces,
  },
  {
    id: 'seccomp',
    required: true,
    costs: 'containers: the default profile cannot be applied',
    elsewhere: 'run a kernel with CONFIG_SECCOMP_FILTER',
    look: (edges) => found(read(edges, 'proc/sys/kernel/seccomp/actions_avail')?.trim()),
  },
  {
    id: 'oci-runtime',
    required: true,
    costs: 'containers',
    debian: 'crun',
    elsewhere: 'crun or runc of any distribution',
    look: (edges) => found(findProgram(edges, 'crun') ?? findProgram(edges, 'runc')),
  },
  {
    id: 'conmon',
    required: true,
    costs: 'containers: nothing keeps their output and exit code while the daemon is away',
    debian: 'conmon',
    elsewhere: `conmon ${OLDEST_CONMON} or newer; Fedora, Arch and Alpine: conmon`,
    look: (edges) => program(edges, 'conmon', OLDEST_CONMON),
  },
  {
    id: 'crun',
    required: false,
    costs: 'speed: containers start with runc, at about half the rate',
    debian: 'crun',
    elsewhere: 'Fedora, Arch and Alpine: crun',
    look: (edges) => program(edges, 'crun'),
  },
  {
    id: 'runc',
    required: false,
    costs: 'containers that ask for the runtime "runc"',
    debian: 'runc',
    elsewhere: 'Fedora, Arch and Alpine: runc',
    look: (edges) => program(edges, 'runc'),
  },
  {
    id: 'setpriv',
    required: true,
    costs:
      'volumes over a directory that the image has: its content is copied by a program that ends with the daemon',
    debian: 'util-linux',
    elsewhere: 'util-linux of any distribution',
    look: (edges) => found(findProgram(edges, 'setpriv')),
  },
  {
    id: 'memfd-exec',
    required: false,
    costs: 'speed: crun copies itself at every call',
    elsewhere: 'sysctl vm.memfd_noexec=1',
    look: memfdExec,
  },
  {
    id: 'libseccomp',
    required: false,
    costs: 'speed: the seccomp profile is compiled again for every container',
    debian: 'libseccomp2',
    elsewhere: 'Fedora, Arch and Alpine: libseccomp',
    look: (edges) => found(findLibrary(edges, 'libseccomp.so.2')),
  },
  {
    id: 'modprobe',
    required: false,
    costs: 'nothing when all modules are loaded or built in; else load them by hand',
    debian: 'kmod',
    elsewhere: 'kmod of any distribution',
    look: (edges) => found(findProgram(edges, 'modprobe')),
  },
  {
    id: 'bridge',
    required: false,
    costs: 'bridge networks',
    elsewhere: 'modprobe bridge',
    look: (edges) => feature(edges, 'BRIDGE', 'bridge'),
  },
  {
    id: 'veth',
    required: false,
    costs: 'bridge and overlay networks',
    elsewhere: 'modprobe veth',
    look: (edges) => feature(edges, 'VETH', 'veth'),
  },
  {
    id: 'vxlan',
    required: false,
    costs: 'overlay networks',
    elsewhere: 'modprobe vxlan',
    look: (edges) => feature(edges, 'VXLAN', 'vxlan'),
  },
  {
    id: 'nftables',
    required: false,
    costs: 'bridge networks: published ports, masquerading and isolation',
    elsewhere: 'modprobe nf_tables',
    look: (edges) => feature(edges, 'NF_TABLES', 'nf_tables'),
  },
  {
    id: 'libnftables',
    required: false,
    costs: 'bridge networks: published ports, masquerading and isolation',
    debian: 'libnftables1',
    elsewhere: 'Fedora: nftables-libs, Arch and Alpine: nftables',
    look: (edges) => found(findLibrary(edges, 'libnftables.so.1')),
  },
  {
    id: 'loop',
    required: false,
    costs: 'local volumes with a file for a device (-o o=loop)',
    elsewhere: 'modprobe loop',
    look: (edges) =>
      exists(edges, 'dev/loop-control') ? ok('/dev/loop-control') : feature(edges, 'BLK_DEV_LOOP', 'loop'),
  },
  {
    id: 'fuse',
    required: false,
    costs: 'volume plugins and snapshot drivers on FUSE',
    elsewhere: 'modprobe fuse',
    look: (edges) => fileSystem(edges, 'fuse', 'FUSE_FS', 'fuse'),
  },
  {
    id: 'mount.nfs',
    required: false,
    costs: 'local volumes of type nfs by host name',
    debian: 'nfs-common',
    elsewhere: 'Fedora, Arch and Alpine: nfs-utils',
    look: (edges) => found(findProgram(edges, 'mount.nfs')),
  },
  {
    id: 'mount.cifs',
    required: false,
    costs: 'local volumes of type cifs by host name',
    debian: 'cifs-utils',
    elsewhere: 'Fedora, Arch and Alpine: cifs-utils',
    look: (edges) => found(findProgram(edges, 'mount.cifs')),
  },
  {
    id: 'socat',
    required: false,
    costs: "the second way to a container's stdio, where Node's own does not work",
    debian: 'socat',
    elsewhere: 'socat of any distribution',
    look: (edges) => found(findProgram(edges, 'socat')),
  },
  {
    id: 'xz',
    required: false,
    costs: 'images whose layers are compressed with xz',
    debian: 'xz-utils',
    elsewhere: 'Fedora, Arch and Alpine: xz',
    look: (edges) => found(findProgram(edges, 'xz')),
  },
  {
    id: 'docker',
    required: false,
    costs: 'the usual command for containers, images and volumes; every other Docker client works too',
    debian: 'docker.io (docker-cli on newer releases)',
    elsewhere: 'Fedora: docker-cli, Arch: docker, Alpine: docker-cli',
    look: (edges) => found(findProgram(edges, 'docker')),
  },
  {
    id: 'busybox-static',
    required: false,
    costs: 'the image that tests, quickstart and bench run without a registry',
    debian: 'busybox-static',
    elsewhere: 'Fedora: busybox, Arch: busybox, Alpine: busybox-static',
    look: busyboxStatic,
  },
];

function ok(detail: string): Outcome {
  return { status: 'ok', detail };
}

function missing(detail = 'not found'): Outcome {
  return { status: 'missing', detail };
}

function found(detail: string | undefined): Outcome {
  return detail ? ok(detail) : missing();
}

function linux(edges: MachineEdges, oldest: string): Outcome {
  const release = kernelRelease(edges);
  if (release === '') return missing('this is not Linux');
  return atLeast(release, oldest) ? ok(release) : missing(`${release} is older than ${oldest}`);
}

async function program(edges: MachineEdges, name: string, oldest = '0'): Promise<Outcome> {
  const file = findProgram(edges, name);
  if (file === undefined) return missing();
  const version = versionIn((await edges.run(file, ['--version'])) ?? '');
  if (version === undefined) return missing(`${file} does not run`);
  return atLeast(version, oldest)
    ? ok(`${version} (${file})`)
    : missing(`${version} is older than ${oldest}`);
}

function feature(edges: MachineEdges, config: string, module: string): Outcome {
  const has = kernelHas(edges, config, module);
  if (has === undefined)
    return { status: 'unknown', detail: 'neither modules nor configuration of the kernel are here' };
  return has ? ok('in the kernel') : missing(`neither built in nor a module "${module}"`);
}

/** A file system that is not loaded yet may be a module. */
function fileSystem(edges: MachineEdges, name: string, config: string, module: string): Outcome {
  const loaded = read(edges, 'proc/filesystems')
    ?.split('\n')
    .some((line) => line.split('\t')[1] === name);
  return loaded ? ok('in the kernel') : feature(edges, config, module);
}

const NAMESPACES = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'user', 'uts'];

function namespaces(edges: MachineEdges): Outcome {
  const lacking = NAMESPACES.filter((name) => !exists(edges, `proc/self/ns/${name}`));
  return lacking.length === 0 ? ok(NAMESPACES.join(' ')) : missing(`no ${lacking.join(', ')} namespace`);
}

/** 2 forbids to execute memory files at all. Source: the kernel's Documentation/admin-guide/sysctl/vm.rst. */
function memfdExec(edges: MachineEdges): Outcome {
  const setting = read(edges, 'proc/sys/vm/memfd_noexec')?.trim() ?? '0';
  return setting === '2' ? missing('vm.memfd_noexec is 2') : ok(`vm.memfd_noexec is ${setting}`);
}

/** A dynamic one cannot be the only program of an image. */
async function busyboxStatic(edges: MachineEdges): Promise<Outcome> {
  const file = findProgram(edges, 'busybox');
  if (file === undefined) return missing();
  const said = await edges.run(file, ['--help']);
  if (said === undefined) return missing(`${file} does not run`);
  const interpreter = read({ ...edges, root: '/' }, file)
    ?.slice(0, 4096)
    .includes('/ld-');
  return interpreter ? missing(`${file} is linked dynamically`) : ok(file);
}
