/** Mounts what a local volume's options name on its directory. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { MS_BIND, MS_RDONLY, mount, remountReadonly } from '@gantry/plugin-sdk/system/mount.ts';
import { type MountOptions, mountCall } from './options.ts';

export async function mountOptions(target: string, options: MountOptions): Promise<void> {
  const { flags, data } = mountCall(await withAddress(options));
  try {
    mount(options.device, target, options.type || null, flags, data || null);
    // The kernel ignores read-only in the first bind.
    if (flags & MS_BIND && flags & MS_RDONLY) remountReadonly(target);
  } catch (error) {
    throw new HostError(
      'FailedPrecondition',
      'VOLUME_MOUNT_FAILED',
      `failed to mount local volume: mount ${options.device}:${target}, flags: 0x${flags.toString(16)}, data: ${redact(data)}`,
      { cause: error },
    );
  }
}

/** The kernel's nfs and cifs do not look names up: mount.nfs and mount.cifs do it for them. */
export async function withAddress({ type, o, device }: MountOptions): Promise<string> {
  const network = type.startsWith('nfs') || type === 'cifs' || type === 'smb3';
  if (!network) return o;
  const key = type.startsWith('nfs') ? 'addr' : 'ip';
  const given = /(?:^|,)addr=([^,]+)/.exec(o)?.[1];
  const host = given ?? (type === 'cifs' || type === 'smb3' ? /^\/\/([^/]+)/.exec(device)?.[1] : undefined);
  if (host === undefined) return o;
  const { lookup } = await import('node:dns/promises');
  const { address } = await lookup(host);
  const rest = o.split(',').filter((option) => option !== '' && !option.startsWith('addr='));
  return [...rest, `${key}=${address}`].join(',');
}

function redact(data: string): string {
  return data.replace(/(password|pass|cred(?:entials)?)=[^,]*/g, '$1=********');
}
