/** The options of a local volume: `type`, `device` and `o`, as mount(8) takes them. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import * as m from '@gantry/plugin-sdk/system/mount.ts';

export interface MountOptions {
  readonly type: string;
  readonly device: string;
  /** Comma separated, as the user gave them. */
  readonly o: string;
}

const KNOWN = ['type', 'device', 'o', 'size'];

/** Undefined when the volume is a plain directory. Errors: InvalidArgument, naming every fault. */
export function parseOptions(options: Readonly<Record<string, string>> | null): MountOptions | undefined {
  const given = options ?? {};
  const faults = Object.keys(given)
    .filter((key) => !KNOWN.includes(key))
    .map((key) => `invalid option: "${key}"`);
  const { type = '', device = '', o = '' } = given;
  const wantsMount = type !== '' || device !== '' || o !== '';
  if (given.size !== undefined) faults.push('quota size requested but no quota support');
  if (wantsMount && type === '' && !isBind(o)) faults.push('missing required option: "type"');
  if (wantsMount && device === '') faults.push('missing required option: "device"');
  if (faults.length > 0) throw new HostError('InvalidArgument', 'INVALID_VOLUME_OPTION', faults.join('; '));
  return wantsMount ? { type, device, o } : undefined;
}

export interface MountCall {
  readonly flags: number;
  /** What the file system itself reads. */
  readonly data: string;
}

const FLAGS: Readonly<Record<string, number>> = {
  ro: m.MS_RDONLY,
  nosuid: m.MS_NOSUID,
  nodev: m.MS_NODEV,
  noexec: m.MS_NOEXEC,
  sync: m.MS_SYNCHRONOUS,
  dirsync: m.MS_DIRSYNC,
  noatime: m.MS_NOATIME,
  nodiratime: m.MS_NODIRATIME,
  relatime: m.MS_RELATIME,
  strictatime: m.MS_STRICTATIME,
  lazytime: m.MS_LAZYTIME,
  silent: m.MS_SILENT,
  bind: m.MS_BIND,
  rbind: m.MS_BIND | m.MS_REC,
};
/** Words that only take a flag away, or mean nothing to the kernel. */
const DEFAULTS = ['rw', 'suid', 'dev', 'exec', 'async', 'atime', 'diratime', 'defaults', 'loud'];

/** Splits `ro,size=64m` into the flags of mount(2) and the rest. */
export function mountCall(o: string): MountCall {
  let flags = 0;
  const data: string[] = [];
  for (const option of o.split(',').filter(Boolean)) {
    const flag = FLAGS[option];
    if (flag !== undefined) flags |= flag;
    else if (!DEFAULTS.includes(option)) data.push(option);
  }
  return { flags, data: data.join(',') };
}

export function isBind(o: string): boolean {
  return o.split(',').some((option) => option === 'bind' || option === 'rbind');
}
