/** `VolumeDriver.*`: the messages, and their translation to and from the volume contract. */
import { type Static, Type } from 'typebox';
import type { VolumeDriver, VolumeScope, VolumeView } from '../contracts/volume.ts';
import { ErrorAnswer, errorText, NoRequest, nullable, TextMap, wireMethod } from './method.ts';
import type { PointTranslation } from './translation.ts';

const Name = Type.String({ description: 'Name of the volume, not validated by the daemon.' });
const MountId = Type.String({
  description: 'Token of one mount point of one container; Docker sends 64 hex.',
});

export const VolumeCreateRequest = Type.Object(
  {
    Name,
    Opts: nullable(TextMap),
  },
  { description: 'Make a volume. `Opts` is null when the user gave no options.' },
);

export const VolumeNameRequest = Type.Object(
  { Name },
  { description: 'Remove, get, or tell the path of one volume.' },
);

export const VolumeMountRequest = Type.Object(
  { Name, ID: MountId },
  {
    description:
      'Mount or unmount a volume for one mount point. Counting mounts of a volume is up to the plugin.',
  },
);

export const VolumeMountAnswer = Type.Object(
  { Mountpoint: Type.String({ description: 'Absolute path on the host.' }), Err: errorText },
  { description: 'Where the volume is seen until `Unmount` with the same ID.' },
);

export const VolumePathAnswer = Type.Object(
  { Mountpoint: Type.Optional(Type.String()), Err: errorText },
  { description: 'Where the volume is, or nothing while it is not mounted.' },
);

export const WireVolume = Type.Object(
  {
    Name: Type.Optional(Type.String()),
    Mountpoint: Type.Optional(Type.String({ description: 'Empty until it is mounted somewhere.' })),
    CreatedAt: Type.Optional(Type.Unknown({ description: 'RFC 3339 text; anything else is dropped.' })),
    Status: Type.Optional(
      Type.Unknown({ description: 'Object shown by inspect; anything else is dropped.' }),
    ),
  },
  { description: 'A volume as its plugin sees it.' },
);
export type WireVolume = Static<typeof WireVolume>;

export const VolumeGetAnswer = Type.Object(
  { Volume: Type.Optional(nullable(WireVolume)), Err: errorText },
  { description: 'The volume; null without an error means that there is none.' },
);

export const VolumeListAnswer = Type.Object(
  { Volumes: Type.Array(WireVolume), Err: errorText },
  { description: 'All volumes. The list may be null, missing or `{}` when there are none.' },
);

export const VolumeCapabilitiesAnswer = Type.Object(
  {
    Capabilities: Type.Optional(
      Type.Object({
        Scope: Type.Optional(Type.String({ description: '`local` or `global`, in any case.' })),
      }),
    ),
    Err: errorText,
  },
  { description: 'How far the volumes reach; `local` when the plugin does not say.' },
);

const slow = { timeoutMs: 120_000 };

export const volumeMethods = {
  create: wireMethod('VolumeDriver.Create', VolumeCreateRequest, ErrorAnswer, slow),
  remove: wireMethod('VolumeDriver.Remove', VolumeNameRequest, ErrorAnswer),
  mount: wireMethod('VolumeDriver.Mount', VolumeMountRequest, VolumeMountAnswer, slow),
  unmount: wireMethod('VolumeDriver.Unmount', VolumeMountRequest, ErrorAnswer),
  path: wireMethod('VolumeDriver.Path', VolumeNameRequest, VolumePathAnswer),
  get: wireMethod('VolumeDriver.Get', VolumeNameRequest, VolumeGetAnswer),
  list: wireMethod('VolumeDriver.List', NoRequest, VolumeListAnswer, { body: 'empty-object' }),
  capabilities: wireMethod('VolumeDriver.Capabilities', NoRequest, VolumeCapabilitiesAnswer, {
    body: 'empty-object',
    optional: true,
  }),
};

const byName = {
  toWire: ({ name }: { name: string }) => ({ Name: name }),
  fromWire: ({ Name }: { Name: string }) => ({ name: Name }),
};
const byMount = {
  toWire: ({ name, mountId }: { name: string; mountId: string }) => ({ Name: name, ID: mountId }),
  fromWire: ({ Name, ID }: { Name: string; ID: string }) => ({ name: Name, mountId: ID }),
};
const noParameters = { toWire: () => ({}), fromWire: () => ({}) };
const nothing = { toWire: () => ({}), fromWire: () => undefined };
const mountpoint = {
  toWire: (answer: { mountpoint: string }) => ({ Mountpoint: answer.mountpoint }),
  fromWire: ({ Mountpoint }: { Mountpoint?: string }) => ({ mountpoint: Mountpoint ?? '' }),
};

export const volumeTranslation: PointTranslation<VolumeDriver> = {
  create: {
    method: volumeMethods.create,
    request: {
      toWire: ({ name, options }) => ({ Name: name, Opts: options }),
      fromWire: ({ Name, Opts }: Static<typeof VolumeCreateRequest>) => ({ name: Name, options: Opts }),
    },
    answer: nothing,
  },
  remove: { method: volumeMethods.remove, request: byName, answer: nothing },
  mount: { method: volumeMethods.mount, request: byMount, answer: mountpoint },
  unmount: { method: volumeMethods.unmount, request: byMount, answer: nothing },
  path: { method: volumeMethods.path, request: byName, answer: mountpoint },
  get: {
    method: volumeMethods.get,
    request: byName,
    answer: {
      toWire: (volume) => ({ Volume: volume === undefined ? null : volumeToWire(volume) }),
      fromWire: ({ Volume }: Static<typeof VolumeGetAnswer>, { name }) =>
        Volume ? volumeFromWire({ Name: name, ...Volume }) : undefined,
    },
  },
  list: {
    method: volumeMethods.list,
    request: noParameters,
    answer: {
      toWire: (volumes) => ({ Volumes: volumes.map(volumeToWire) }),
      fromWire: ({ Volumes }: Static<typeof VolumeListAnswer>) => Volumes.map(volumeFromWire),
    },
  },
  capabilities: {
    method: volumeMethods.capabilities,
    request: noParameters,
    answer: {
      toWire: ({ scope }) => ({ Capabilities: { Scope: scope } }),
      fromWire: ({ Capabilities }: Static<typeof VolumeCapabilitiesAnswer>) => ({
        scope: scopeFromWire(Capabilities?.Scope),
      }),
    },
    whenAbsent: { scope: 'local' },
    lasts: true,
  },
};

export function volumeToWire({ name, mountpoint, createdAt, status }: VolumeView): WireVolume {
  return {
    Name: name,
    Mountpoint: mountpoint,
    ...(createdAt !== undefined && { CreatedAt: createdAt }),
    ...(status !== undefined && { Status: status }),
  };
}

export function volumeFromWire({ Name, Mountpoint, CreatedAt, Status }: WireVolume): VolumeView {
  return {
    name: Name ?? '',
    mountpoint: Mountpoint ?? '',
    ...(isTime(CreatedAt) && { createdAt: CreatedAt }),
    ...(isStatus(Status) && { status: Status }),
  };
}

/** Docker forgets the whole volume when this is not RFC 3339; here only the value is dropped. */
function isTime(value: unknown): value is string {
  const rfc3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;
  return typeof value === 'string' && rfc3339.test(value) && !Number.isNaN(Date.parse(value));
}

function isStatus(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function scopeFromWire(scope: string | undefined): VolumeScope {
  return scope?.toLowerCase() === 'global' ? 'global' : 'local';
}
