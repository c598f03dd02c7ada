/** `--device`, `--device-cgroup-rule`, and the devices of the host that `--privileged` shows. */
import type { Stats } from 'node:fs';
import { lstat, readdir, realpath } from 'node:fs/promises';
import path from 'node:path';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { OciDeviceRule } from '@gantry/plugin-sdk/oci/default-spec.ts';
import { deviceNumber } from '@gantry/plugin-sdk/system/nodes.ts';
import Type, { type Static } from 'typebox';
import { invalidOption, nullable, Strings, text } from './fields.ts';

const Mapping = Type.Object({ PathOnHost: Type.String(), PathInContainer: text, CgroupPermissions: text });
type Mapping = Static<typeof Mapping>;
const Request = Type.Object({
  Driver: text,
  Count: Type.Optional(Type.Integer()),
  DeviceIDs: nullable(Strings),
  Capabilities: nullable(Type.Array(Strings)),
  Options: nullable(Type.Record(Type.String(), Type.String())),
});

export const DEVICE_FIELDS = {
  Devices: nullable(Type.Array(Mapping)),
  DeviceCgroupRules: nullable(Strings),
  DeviceRequests: nullable(Type.Array(Request)),
};
const Fields = Type.Object({ ...DEVICE_FIELDS, Privileged: Type.Optional(Type.Boolean()) });
export type DeviceOptions = Static<typeof Fields>;

const RULE = /^([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})$/;

/** What can be said without the devices, which come and go. Errors: InvalidArgument; NotImplemented for `--gpus`. */
export function checkDevices({ Devices, DeviceCgroupRules, DeviceRequests }: DeviceOptions): void {
  for (const { CgroupPermissions = '' } of Devices ?? []) {
    if (!/^[rwm]{0,3}$/.test(CgroupPermissions))
      throw invalidOption(`bad mode specified: ${CgroupPermissions}`);
  }
  for (const rule of DeviceCgroupRules ?? []) {
    if (!RULE.test(rule)) throw invalidOption(`invalid device cgroup rule format: '${rule}'`);
  }
  const [request] = DeviceRequests ?? [];
  if (!request) return;
  const wanted = (request.Capabilities ?? []).map((words) => `[${words.join(' ')}]`).join(' ');
  throw new HostError(
    'NotImplemented',
    'NOT_IMPLEMENTED',
    `could not select device driver "${request.Driver ?? ''}" with capabilities: [${wanted}]`,
    { hint: 'there are no device drivers (--gpus); --device gives a container single devices' },
  );
}

export interface OciDevice {
  readonly path: string;
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface ContainerDevices {
  readonly devices: readonly OciDevice[];
  /** What comes after the default rules. */
  readonly rules: readonly OciDeviceRule[];
}

/** Errors: InvalidArgument for one that is not there or no device. */
export async function devicesOf(options: DeviceOptions): Promise<ContainerDevices> {
  const mappings = options.Devices ?? [];
  if (options.Privileged) {
    const elsewhere = mappings.filter((mapping) => mapping.PathOnHost !== target(mapping));
    const more = await Promise.all(elsewhere.map(mapped));
    return { devices: [...(await below('/dev', '/dev')), ...more.flat()], rules: [] };
  }
  const found = await Promise.all(
    mappings.map(async (mapping) => ({ mapping, devices: await mapped(mapping) })),
  );
  return {
    devices: found.flatMap(({ devices }) => devices),
    rules: [
      ...found.flatMap(({ mapping, devices }) => devices.map((device) => ruleFor(device, mapping))),
      ...(options.DeviceCgroupRules ?? []).map(ruleOf),
    ],
  };
}

function target({ PathOnHost, PathInContainer }: Mapping): string {
  return PathInContainer || PathOnHost;
}

function ruleFor({ type, major, minor }: OciDevice, { CgroupPermissions }: Mapping): OciDeviceRule {
  return { allow: true, type, major, minor, access: CgroupPermissions || 'rwm' };
}

function ruleOf(rule: string): OciDeviceRule {
  const [, type = 'a', major = '*', minor = '*', access = ''] = RULE.exec(rule) ?? [];
  return {
    allow: true,
    type: type as 'a' | 'b' | 'c',
    ...(major !== '*' && { major: Number(major) }),
    ...(minor !== '*' && { minor: Number(minor) }),
    access,
  };
}

/** The device that is meant, through links, or every one in a directory. */
async function mapped(mapping: Mapping): Promise<readonly OciDevice[]> {
  const { PathOnHost } = mapping;
  try {
    const real = await realpath(PathOnHost);
    const stats = await lstat(real);
    const devices = stats.isDirectory()
      ? await below(real, target(mapping))
      : [deviceAt(stats, target(mapping))];
    const known = devices.filter((device) => device !== undefined);
    if (known.length > 0) return known;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw notGathered(PathOnHost, 'no such file or directory');
    throw error;
  }
  throw notGathered(PathOnHost, 'not a device node');
}

function notGathered(file: string, why: string): HostError {
  const message = `error gathering device information while adding custom device "${file}": ${why}`;
  return new HostError('InvalidArgument', 'DEVICE_NOT_FOUND', message);
}

/** Mounted anew in each container, or links into it. Source: containerd oci, getDevices. */
const OWN = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev']);

/** Every device under `dir`, which the container sees under `seenAs`. What vanishes meanwhile is left out. */
async function below(dir: string, seenAs: string): Promise<readonly OciDevice[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry): Promise<readonly OciDevice[]> => {
      const [from, to] = [path.join(dir, entry.name), path.posix.join(seenAs, entry.name)];
      if (entry.isDirectory()) return OWN.has(entry.name) ? [] : below(from, to);
      if (from === '/dev/console' || !(entry.isCharacterDevice() || entry.isBlockDevice())) return [];
      const device = await lstat(from).then(
        (stats) => deviceAt(stats, to),
        () => undefined,
      );
      return device ? [device] : [];
    }),
  );
  return found.flat();
}

const PERMISSIONS = 0o7777;

function deviceAt(stats: Stats, at: string): OciDevice | undefined {
  if (!stats.isCharacterDevice() && !stats.isBlockDevice()) return undefined;
  const type = stats.isBlockDevice() ? 'b' : 'c';
  const { uid, gid, mode } = stats;
  return { path: at, type, ...deviceNumber(stats.rdev), fileMode: mode & PERMISSIONS, uid, gid };
}
