/** The OCI specification of a container's task, from its record and from what its start has made. */
import path from 'node:path';
import type { OciMount } from '@gantry/plugin-sdk/contracts/mount.ts';
import type { OciProcess, OciResources, OciSpec, TaskSpec } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { defaultSpec } from '@gantry/plugin-sdk/oci/default-spec.ts';
import type { Defaults } from '../../config/defaults.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import type { ContainerContext } from './context.ts';
import { etcMounts } from './etc/files.ts';
import { domainnameOf, hostnameOf } from './etc/hostname.ts';
import { sizeOf } from './exec-request.ts';
import { findContainer } from './find.ts';
import { capabilitiesOf } from './options/capabilities.ts';
import { cgroupsPathOf } from './options/cgroup.ts';
import { type ContainerDevices, devicesOf } from './options/devices.ts';
import { initOf } from './options/init.ts';
import { namespacesOf } from './options/namespaces.ts';
import { ociResources } from './options/resources.ts';
import { apparmorProfile, confinementOf, securityOf } from './options/security.ts';
import { shmMount } from './options/shm.ts';
import { sysctlsOf } from './options/sysctls.ts';
import { rlimitsOf } from './options/ulimits.ts';
import type { HostConfigBody } from './request.ts';
import { type ProcessUser, resolveUser } from './user.ts';

export interface SpecParts {
  readonly rootfs: string;
  readonly mounts: readonly OciMount[];
  readonly logPath: string;
}

/**
 * Errors: InvalidArgument for a user that the image does not know, a device that is not there; Conflict for a
 * container to join that does not run.
 */
export async function taskSpec(
  ctx: ContainerContext,
  record: ContainerRecord,
  parts: SpecParts,
): Promise<TaskSpec> {
  const { process } = record;
  const hostConfig = record.hostConfig as HostConfigBody;
  const user = resolveUser(parts.rootfs, process.user, hostConfig.GroupAdd ?? []);
  const devices = await devicesOf(hostConfig);
  const resources = await ociResources(hostConfig);
  return {
    id: record.id,
    spec: ociSpec(ctx, record, { ...parts, user, devices, resources }),
    stdin: process.openStdin,
    stdinOnce: process.stdinOnce,
    logPath: parts.logPath,
  };
}

interface Resolved extends SpecParts {
  readonly user: ProcessUser;
  readonly devices: ContainerDevices;
  readonly resources: OciResources;
}

function ociSpec(ctx: ContainerContext, record: ContainerRecord, parts: Resolved): OciSpec {
  const { defaults } = ctx;
  const hostConfig = record.hostConfig as HostConfigBody;
  const { UTSMode, Annotations } = hostConfig;
  const base = defaultSpec({
    cgroupsPath: cgroupsPathOf(record.id, hostConfig, defaults),
    privileged: hostConfig.Privileged,
  });
  const init = initOf(hostConfig, defaults);
  const args = [...(init?.args ?? []), ...record.process.args];
  const capabilities = capabilitiesOf(hostConfig);
  const deviceRules = [...base.linux.resources.devices, ...parts.devices.rules];
  return {
    ...base,
    process: {
      ...ociProcess(record, { ...record.process, args }, parts.user, capabilities, defaults),
      ...consoleSizeOf(record.process.terminal, hostConfig),
    },
    root: { path: parts.rootfs, readonly: hostConfig.ReadonlyRootfs ?? false },
    ...(UTSMode !== 'host' && { hostname: hostnameOf(record) }),
    mounts: mountsOf(ctx, record, base.mounts, parts.mounts, init?.mount),
    linux: {
      ...base.linux,
      namespaces: namespacesOf(hostConfig, (id) => findContainer(ctx.store, id)),
      sysctl: sysctlsOf(hostConfig, domainnameOf(record)),
      resources: { devices: deviceRules, ...parts.resources },
      ...(parts.devices.devices.length > 0 && { devices: parts.devices.devices }),
      ...rootPropagation(parts.mounts),
      ...confinementOf(hostConfig, defaults),
    },
    ...(Annotations && { annotations: Annotations }),
  };
}

/** The size that the client's terminal had at the creation; it tells of later ones by itself. */
function consoleSizeOf(terminal: boolean, { ConsoleSize }: HostConfigBody): Partial<OciProcess> {
  const [height, width] = (terminal && sizeOf(ConsoleSize)) || [];
  return height && width ? { consoleSize: { height, width } } : {};
}

/** The defaults, our own files, and the user's, which take the place of others at the same target. */
function mountsOf(
  ctx: ContainerContext,
  record: ContainerRecord,
  defaults: readonly OciMount[],
  wanted: readonly OciMount[],
  init: OciMount | undefined,
): readonly OciMount[] {
  const hostConfig = record.hostConfig as HostConfigBody;
  const { writableCgroups } = securityOf(hostConfig, ctx.defaults);
  const shm = shmMount(ctx.stateDir, record.id, hostConfig);
  const etc = etcMounts(path.join(ctx.rootDir, record.id), hostConfig.ReadonlyRootfs ?? false);
  const targets = new Set(wanted.map(({ destination }) => destination));
  const ownDev = targets.has('/dev');
  const ours = [
    ...defaults.filter(({ destination }) => destination !== '/dev/shm'),
    ...(shm ? [shm] : []),
    ...etc,
  ]
    .filter(({ destination }) => !targets.has(destination) && !(ownDev && destination.startsWith('/dev/')))
    .map((mount) => (writableCgroups && mount.type === 'cgroup' ? writable(mount) : mount));
  return [...ours, ...wanted, ...(init ? [init] : [])];
}

function writable({ options, ...mount }: OciMount): OciMount {
  return { ...mount, options: options.map((option) => (option === 'ro' ? 'rw' : option)) };
}

/** What the container's own process and an exec say alike. */
export type WantedProcess = Pick<ContainerRecord['process'], 'args' | 'env' | 'cwd' | 'terminal'>;

/** A process in the container, with the container's confinement. */
export function ociProcess(
  record: ContainerRecord,
  { args, env, cwd, terminal }: WantedProcess,
  user: ProcessUser,
  capabilities: readonly string[],
  defaults: Defaults,
): OciProcess {
  const hostConfig = record.hostConfig as HostConfigBody;
  const security = securityOf(hostConfig, defaults);
  const apparmor = apparmorProfile(security);
  const rlimits = rlimitsOf(hostConfig, defaults.ulimits);
  // Only root keeps the set; for others it bounds what a set-user-id program may gain.
  const effective = user.uid === 0 ? capabilities : [];
  return {
    terminal,
    user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
    args,
    env: [...defaultEnvironment(record, user, terminal).filter((entry) => !sets(env, entry)), ...env],
    cwd,
    noNewPrivileges: security.noNewPrivileges,
    oomScoreAdj: hostConfig.OomScoreAdj ?? 0,
    capabilities: { bounding: capabilities, effective, permitted: effective },
    ...(rlimits && { rlimits }),
    ...(apparmor && { apparmorProfile: apparmor }),
  };
}

/** Docker's: the image's and the user's variables win over these. */
function defaultEnvironment(
  record: ContainerRecord,
  user: ProcessUser,
  terminal: boolean,
): readonly string[] {
  return [
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    `HOSTNAME=${hostnameOf(record)}`,
    ...(terminal ? ['TERM=xterm'] : []),
    `HOME=${user.home}`,
  ];
}

function sets(env: readonly string[], entry: string): boolean {
  const name = entry.slice(0, entry.indexOf('=') + 1);
  return env.some((other) => other.startsWith(name));
}

/** A mount that is to see what the host mounts below it, or to show its own, needs a root that lets that through. */
function rootPropagation(mounts: readonly OciMount[]): { readonly rootfsPropagation?: string } {
  const has = (...words: readonly string[]) =>
    mounts.some(({ options }) => options.some((option) => words.includes(option)));
  if (has('shared', 'rshared')) return { rootfsPropagation: 'shared' };
  return has('slave', 'rslave') ? { rootfsPropagation: 'rslave' } : {};
}
