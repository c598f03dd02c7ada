/** The files of ours that a container sees as /etc/hostname, /etc/hosts and /etc/resolv.conf. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { OciMount } from '@gantry/plugin-sdk/contracts/mount.ts';
import type { ContainerRecord } from '../../../store/record-types.ts';
import type { HostConfigBody } from '../request.ts';
import { extraHosts } from './extra-hosts.ts';
import { hostnameOf } from './hostname.ts';
import { hostsText, hostsTextOnHost } from './hosts.ts';
import { type DnsOptions, resolvConfText } from './resolv-conf.ts';

export interface EtcDefaults {
  readonly dns?: {
    readonly servers: readonly string[];
    readonly options: readonly string[];
    readonly search: readonly string[];
  };
  /** What `host-gateway` stands for. */
  readonly hostGateways?: readonly string[];
}

export function etcMounts(dir: string, readonly: boolean): readonly OciMount[] {
  return ['resolv.conf', 'hostname', 'hosts'].map((file) => ({
    destination: `/etc/${file}`,
    type: 'bind',
    source: path.join(dir, file),
    options: ['rbind', 'rprivate', ...(readonly ? ['ro'] : [])],
  }));
}

/** Made anew at each start: a power cut may have taken them, and the host's own may have changed. */
export async function writeEtcFiles(
  record: ContainerRecord,
  dir: string,
  defaults: EtcDefaults,
): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o710 });
  const files = await etcFiles(record, defaults);
  await Promise.all(Object.entries(files).map(([file, text]) => writeFile(path.join(dir, file), text)));
}

/** Text of those files by name. */
async function etcFiles(
  record: ContainerRecord,
  defaults: EtcDefaults,
): Promise<Readonly<Record<string, string>>> {
  const hostConfig = record.hostConfig as HostConfigBody;
  const onHost = hostConfig.NetworkMode === 'host';
  const entries = extraHosts(hostConfig.ExtraHosts ?? [], defaults.hostGateways);
  return {
    hostname: `${hostnameOf(record)}\n`,
    hosts: onHost ? hostsTextOnHost(await ofHost('/etc/hosts'), entries) : hostsText(entries),
    'resolv.conf': resolvConfText(await hostResolvConf(), dnsOf(hostConfig, defaults), onHost),
  };
}

function dnsOf(given: DnsOptions, defaults: EtcDefaults): DnsOptions {
  const pick = (own: readonly string[] | null | undefined, other: readonly string[] | undefined) =>
    own?.length ? own : (other ?? []);
  return {
    Dns: pick(given.Dns, defaults.dns?.servers),
    DnsSearch: pick(given.DnsSearch, defaults.dns?.search),
    DnsOptions: pick(given.DnsOptions, defaults.dns?.options),
  };
}

/** systemd-resolved shows programs a server of its own on the loopback, and keeps the real ones in another file. */
async function hostResolvConf(): Promise<string> {
  const text = await ofHost('/etc/resolv.conf');
  const servers = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, address]) => address);
  if (servers.length !== 1 || servers[0] !== '127.0.0.53') return text;
  return (await ofHost('/run/systemd/resolve/resolv.conf')) || text;
}

function ofHost(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '');
}
