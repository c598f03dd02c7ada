/** What every container gets from Docker before its own configuration is added, as pieces of an OCI specification. */
import { existsSync } from 'node:fs';
import type { OciSpec } from '../contracts/runtime.ts';

export { allCapabilities, capabilitiesFor, DEFAULT_CAPABILITIES } from './capabilities.ts';

export interface DefaultSpecOptions {
  /** Absolute in every cgroup hierarchy, e.g. `/gantry/ID`. */
  readonly cgroupsPath: string;
  /** Default 64 MiB. */
  readonly shmSizeBytes?: number | undefined;
  /** Share the host's network namespace. */
  readonly hostNetwork?: boolean | undefined;
  /** Join the network namespace at this path, instead of a new and empty one. */
  readonly networkNamespace?: string | undefined;
  /** Nothing masked, nothing read-only, every device. Capabilities and seccomp are the caller's. */
  readonly privileged?: boolean | undefined;
}

export interface DefaultSpec extends Pick<OciSpec, 'ociVersion' | 'mounts'> {
  readonly linux: {
    readonly cgroupsPath: string;
    readonly namespaces: readonly OciNamespace[];
    readonly maskedPaths: readonly string[];
    readonly readonlyPaths: readonly string[];
    readonly resources: { readonly devices: readonly OciDeviceRule[] };
  };
}

export interface OciNamespace {
  readonly type: 'pid' | 'ipc' | 'uts' | 'mount' | 'network' | 'cgroup' | 'user';
  readonly path?: string;
}

export interface OciDeviceRule {
  readonly allow: boolean;
  readonly access: string;
  readonly type?: 'a' | 'b' | 'c';
  readonly major?: number;
  readonly minor?: number;
}

const DEFAULT_SHM_BYTES = 64 * 1024 * 1024;

/**
 * `ociVersion`, `mounts` and `linux` of a container; devices such as /dev/null, the runtime makes by itself. Left to the
 * caller: process (by Docker's default `noNewPrivileges: false`, `oomScoreAdj: 0`, no rlimits), root, hostname, seccomp.
 */
export function defaultSpec(options: DefaultSpecOptions): DefaultSpec {
  const privileged = options.privileged === true;
  return {
    ociVersion: '1.0.2',
    mounts: defaultMounts(options.shmSizeBytes ?? DEFAULT_SHM_BYTES, privileged),
    linux: {
      cgroupsPath: options.cgroupsPath,
      namespaces: defaultNamespaces(options),
      maskedPaths: privileged ? [] : MASKED_PATHS,
      readonlyPaths: privileged ? [] : READONLY_PATHS,
      resources: { devices: privileged ? [{ allow: true, access: 'rwm' }] : DEVICE_RULES },
    },
  };
}

export function defaultNamespaces(
  options: Omit<DefaultSpecOptions, 'cgroupsPath'> = {},
): readonly OciNamespace[] {
  const { hostNetwork, networkNamespace: path } = options;
  const network: readonly OciNamespace[] = hostNetwork ? [] : [{ type: 'network', ...(path && { path }) }];
  // Docker gives a cgroup namespace on the unified hierarchy only, and none to a privileged container on the old ones.
  const cgroup: readonly OciNamespace[] = isUnifiedCgroup() ? [{ type: 'cgroup' }] : [];
  return [{ type: 'mount' }, ...network, { type: 'uts' }, { type: 'pid' }, { type: 'ipc' }, ...cgroup];
}

/** Whether /sys/fs/cgroup is the unified (version 2) hierarchy. */
export function isUnifiedCgroup(): boolean {
  return existsSync('/sys/fs/cgroup/cgroup.controllers');
}

/** Source: moby daemon/pkg/oci, DefaultLinuxSpec; /dev/shm comes from the daemon there. */
function defaultMounts(shmSizeBytes: number, writable: boolean): OciSpec['mounts'] {
  const access = writable ? 'rw' : 'ro';
  const quiet = ['nosuid', 'noexec', 'nodev'];
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: quiet },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...quiet, access] },
    {
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: [access, ...quiet],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: quiet },
    {
      destination: '/dev/shm',
      type: 'tmpfs',
      source: 'shm',
      options: [...quiet, 'mode=1777', `size=${shmSizeBytes}`],
    },
  ];
}

export const MASKED_PATHS: readonly string[] = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];

export const READONLY_PATHS: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
];

/** Every node may be made, few may be opened: null, zero, full, random, urandom, tty, console, ptmx and terminals. */
const DEVICE_RULES: readonly OciDeviceRule[] = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...[
    [1, 3],
    [1, 5],
    [1, 7],
    [1, 8],
    [1, 9],
    [5, 0],
    [5, 1],
    [5, 2],
  ].map(([major = 0, minor = 0]) => ({ allow: true, type: 'c' as const, major, minor, access: 'rwm' })),
  { allow: true, type: 'c', major: 136, access: 'rwm' },
];
