/** The OCI specification of a container's task, from its record and from what its start has made. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { OciMount } from '@gantry/plugin-sdk/contracts/mount.ts';
import type { OciProcess, OciSpec, TaskSpec } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { capabilitiesFor, defaultSpec } from '@gantry/plugin-sdk/oci/default-spec.ts';
import { seccompFor } from '@gantry/plugin-sdk/oci/seccomp-profile.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import type { HostConfigBody } from './request.ts';
import { securityOf } from './security.ts';
import { type ProcessUser, resolveUser } from './user.ts';

export interface SpecParts {
  readonly rootfs: string;
  readonly mounts: readonly OciMount[];
  /** Files of ours that the container sees as its /etc/hostname, /etc/hosts and /etc/resolv.conf. */
  readonly etc: readonly OciMount[];
  readonly logPath: string;
}

export async function taskSpec(record: ContainerRecord, parts: SpecParts): Promise<TaskSpec> {
  const { process } = record;
  const user = await resolveUser(parts.rootfs, process.user);
  return {
    id: record.id,
    spec: ociSpec(record, parts, user),
    stdin: process.openStdin,
    stdinOnce: process.stdinOnce,
    logPath: parts.logPath,
  };
}

function ociSpec(record: ContainerRecord, parts: SpecParts, user: ProcessUser): OciSpec {
  const hostConfig = record.hostConfig as HostConfigBody;
  const security = securityOf(hostConfig);
  const base = defaultSpec({
    cgroupsPath: `/gantry/${record.id}`,
    shmSizeBytes: hostConfig.ShmSize || undefined,
    hostNetwork: hostConfig.NetworkMode === 'host',
  });
  const capabilities = capabilitiesOf(hostConfig);
  const targets = new Set(parts.mounts.map((mount) => mount.destination));
  return {
    ...base,
    process: ociProcess(record, record.process, user, capabilities),
    root: { path: parts.rootfs, readonly: hostConfig.ReadonlyRootfs ?? false },
    hostname: hostnameOf(record),
    mounts: [...base.mounts, ...parts.etc, ...parts.mounts].filter(
      (mount) => parts.mounts.includes(mount as OciMount) || !targets.has(mount.destination),
    ),
    linux: {
      ...base.linux,
      resources: resourcesOf(base.linux.resources, hostConfig),
      ...rootPropagation(parts.mounts),
      ...(security.seccomp === 'default' && { seccomp: seccompFor(capabilities) }),
    },
  };
}

/** What the container's own process and an exec say alike. */
export type WantedProcess = Pick<ContainerRecord['process'], 'args' | 'env' | 'cwd' | 'terminal'>;

/** A process in the container, with the container's confinement. */
export function ociProcess(
  record: ContainerRecord,
  { args, env, cwd, terminal }: WantedProcess,
  user: ProcessUser,
  capabilities: readonly string[],
): OciProcess {
  const hostConfig = record.hostConfig as HostConfigBody;
  // Only root keeps the set; for others it bounds what a set-user-id program may gain.
  const effective = user.uid === 0 ? capabilities : [];
  return {
    terminal,
    user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
    args,
    env: [...defaultEnvironment(record, user, terminal).filter((entry) => !sets(env, entry)), ...env],
    cwd,
    noNewPrivileges: securityOf(hostConfig).noNewPrivileges,
    oomScoreAdj: hostConfig.OomScoreAdj ?? 0,
    capabilities: { bounding: capabilities, effective, permitted: effective },
  };
}

export function capabilitiesOf({ CapAdd, CapDrop }: HostConfigBody): readonly string[] {
  return capabilitiesFor(CapAdd ?? [], CapDrop ?? []);
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

export function hostnameOf(record: Pick<ContainerRecord, 'id' | 'config'>): string {
  return (record.config.Hostname as string | undefined) || record.id.slice(0, 12);
}

/** A mount that is to see what the host mounts below it, or to show its own, needs a root that lets that through. */
function rootPropagation(mounts: readonly OciMount[]): { readonly rootfsPropagation?: string } {
  const has = (...words: readonly string[]) =>
    mounts.some(({ options }) => options.some((option) => words.includes(option)));
  if (has('shared', 'rshared')) return { rootfsPropagation: 'shared' };
  return has('slave', 'rslave') ? { rootfsPropagation: 'rslave' } : {};
}

function resourcesOf(base: unknown, { Memory, PidsLimit }: HostConfigBody): object {
  return {
    ...(base as object),
    ...(Memory && { memory: { limit: Memory } }),
    ...(PidsLimit && { pids: { limit: PidsLimit } }),
  };
}

/** The three files that every container gets, as bind mounts of ours. */
export function etcMounts(dir: string): readonly OciMount[] {
  return ['resolv.conf', 'hostname', 'hosts'].map((file) => ({
    destination: `/etc/${file}`,
    type: 'bind',
    source: path.join(dir, file),
    options: ['rbind', 'rprivate'],
  }));
}

/** Made anew at each start: a power cut may have taken them, and the host's own may have changed. */
export async function writeEtcFiles(record: ContainerRecord, dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o710 });
  const files = await etcFiles(record);
  await Promise.all(Object.entries(files).map(([file, text]) => writeFile(path.join(dir, file), text)));
}

/** Text of those files by name. */
async function etcFiles(record: ContainerRecord): Promise<Readonly<Record<string, string>>> {
  const hostname = hostnameOf(record);
  const loopback = `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n`;
  const onHost = record.hostConfig.NetworkMode === 'host';
  const ofHost = (file: string) => readFile(file, 'utf8').catch(() => '');
  return {
    hostname: `${hostname}\n`,
    hosts: onHost ? await ofHost('/etc/hosts') : loopback,
    'resolv.conf': await ofHost('/etc/resolv.conf'),
  };
}
