/** `--sysctl`: kernel parameters that belong to one of the container's own namespaces, and those that Docker sets. */
import { existsSync } from 'node:fs';
import Type, { type Static } from 'typebox';
import { invalidOption, nullable, StringMap } from './fields.ts';
import type { NamespaceOptions } from './namespaces.ts';

export const SYSCTL_FIELDS = { Sysctls: nullable(StringMap) };
const Fields = Type.Object(SYSCTL_FIELDS);
export type SysctlOptions = Static<typeof Fields>;

/** Source: runc libcontainer/configs/validate, sysctl. */
const OF_IPC = ['kernel.msgmax', 'kernel.msgmnb', 'kernel.msgmni', 'kernel.sem', 'kernel.shmall'];
const ALSO_OF_IPC = ['kernel.shmmax', 'kernel.shmmni', 'kernel.shm_rmid_forced'];

/** Errors: InvalidArgument for one that would change the host. */
export function checkSysctls({ Sysctls }: SysctlOptions, options: NamespaceOptions): void {
  for (const name of Object.keys(Sysctls ?? {})) {
    const why = faultOf(name, options);
    if (why) throw invalidOption(`sysctl "${name}" ${why}`);
  }
}

function faultOf(given: string, { IpcMode, NetworkMode, UTSMode }: NamespaceOptions): string | undefined {
  // `net/ipv4/conf/eth0.1/forwarding` is the other way to write it.
  const name = isWithSlashes(given) ? given.replaceAll('/', '.') : given;
  const onHost = (mode: string | undefined, what: string) =>
    mode === 'host' ? `is not allowed in the host's ${what} namespace` : undefined;
  if ([...OF_IPC, ...ALSO_OF_IPC].includes(name) || name.startsWith('fs.mqueue.'))
    return onHost(IpcMode, 'ipc');
  if (name.startsWith('net.')) return onHost(NetworkMode, 'network');
  if (name === 'kernel.domainname') return onHost(UTSMode, 'uts');
  if (name === 'kernel.hostname') return 'is not allowed as it conflicts with the OCI "hostname" field';
  return 'is not in a separate kernel namespace';
}

function isWithSlashes(name: string): boolean {
  const first = /[./]/.exec(name)?.[0];
  return first === '/';
}

/** As Docker gives them to a container with a network of its own: low ports and ping for everybody in it. */
const DEFAULTS: Readonly<Record<string, string>> = {
  'net.ipv4.ip_unprivileged_port_start': '0',
  'net.ipv4.ping_group_range': '0 2147483647',
};
let present: Readonly<Record<string, string>> | undefined;

function defaults(): Readonly<Record<string, string>> {
  present ??= Object.fromEntries(
    Object.entries(DEFAULTS).filter(([name]) => existsSync(`/proc/sys/${name.replaceAll('.', '/')}`)),
  );
  return present;
}

/** The OCI `sysctl`. */
export function sysctlsOf(
  { Sysctls, NetworkMode, UTSMode }: SysctlOptions & NamespaceOptions,
  domainname: string,
): Readonly<Record<string, string>> {
  const ownNetwork = NetworkMode !== 'host' && !NetworkMode?.startsWith('container:');
  return {
    ...(ownNetwork && defaults()),
    ...(domainname && UTSMode !== 'host' && { 'kernel.domainname': domainname }),
    ...Sysctls,
  };
}
