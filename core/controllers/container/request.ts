/** What `POST /containers/create` may ask, as a schema: wrong types are refused, unknown fields ignored as in Docker. */
import Type, { type Static } from 'typebox';
import { CAPABILITY_FIELDS } from './options/capabilities.ts';
import { CGROUP_FIELDS } from './options/cgroup.ts';
import { DEVICE_FIELDS } from './options/devices.ts';
import { flag, nullable, StringMap, Strings, text, whole } from './options/fields.ts';
import { INIT_FIELDS } from './options/init.ts';
import { NAMESPACE_FIELDS } from './options/namespaces.ts';
import { RESOURCE_FIELDS } from './options/resources.ts';
import { SECURITY_FIELDS } from './options/security.ts';
import { SHM_FIELDS } from './options/shm.ts';
import { SYSCTL_FIELDS } from './options/sysctls.ts';
import { ULIMIT_FIELDS } from './options/ulimits.ts';

/** Entrypoint and Cmd also come as one string. */
const Words = Type.Union([Type.String(), Strings]);

export const MountSchema = Type.Object({
  Type: Type.Optional(Type.String()),
  Source: Type.Optional(Type.String()),
  Target: Type.String(),
  ReadOnly: Type.Optional(Type.Boolean()),
  Consistency: Type.Optional(Type.String()),
  BindOptions: nullable(
    Type.Object({
      Propagation: Type.Optional(Type.String()),
      NonRecursive: Type.Optional(Type.Boolean()),
      CreateMountpoint: Type.Optional(Type.Boolean()),
      ReadOnlyNonRecursive: Type.Optional(Type.Boolean()),
      ReadOnlyForceRecursive: Type.Optional(Type.Boolean()),
    }),
  ),
  VolumeOptions: nullable(
    Type.Object({
      NoCopy: Type.Optional(Type.Boolean()),
      Labels: nullable(StringMap),
      DriverConfig: nullable(
        Type.Object({ Name: Type.Optional(Type.String()), Options: nullable(StringMap) }),
      ),
      Subpath: Type.Optional(Type.String()),
    }),
  ),
  ImageOptions: nullable(Type.Object({ Subpath: Type.Optional(Type.String()) })),
  TmpfsOptions: nullable(
    Type.Object({
      SizeBytes: Type.Optional(Type.Integer()),
      Mode: Type.Optional(Type.Integer()),
      Options: nullable(Type.Array(Strings)),
    }),
  ),
});
export type MountBody = Static<typeof MountSchema>;

export const HostConfigSchema = Type.Object({
  ...RESOURCE_FIELDS,
  ...NAMESPACE_FIELDS,
  ...CAPABILITY_FIELDS,
  ...SECURITY_FIELDS,
  ...DEVICE_FIELDS,
  ...CGROUP_FIELDS,
  ...SHM_FIELDS,
  ...INIT_FIELDS,
  ...SYSCTL_FIELDS,
  ...ULIMIT_FIELDS,
  Binds: nullable(Strings),
  Mounts: nullable(Type.Array(MountSchema)),
  Tmpfs: nullable(StringMap),
  VolumesFrom: nullable(Strings),
  VolumeDriver: text,
  AutoRemove: flag,
  PortBindings: nullable(Type.Record(Type.String(), Type.Unknown())),
  PublishAllPorts: flag,
  Links: nullable(Strings),
  RestartPolicy: nullable(Type.Object({ Name: text, MaximumRetryCount: whole })),
  ReadonlyRootfs: flag,
  Runtime: text,
  OomScoreAdj: whole,
  GroupAdd: nullable(Strings),
  Dns: nullable(Strings),
  DnsOptions: nullable(Strings),
  DnsSearch: nullable(Strings),
  ExtraHosts: nullable(Strings),
  Annotations: nullable(StringMap),
  ContainerIDFile: text,
  ConsoleSize: nullable(Type.Array(Type.Integer())),
  Isolation: text,
  StorageOpt: nullable(StringMap),
  LogConfig: nullable(Type.Object({ Type: Type.Optional(Type.String()), Config: nullable(StringMap) })),
});
export type HostConfigBody = Static<typeof HostConfigSchema>;

export const CreateSchema = Type.Object({
  Image: Type.String(),
  Hostname: text,
  Domainname: text,
  MacAddress: text,
  User: Type.Optional(Type.String()),
  Env: nullable(Strings),
  Cmd: nullable(Words),
  Entrypoint: nullable(Words),
  WorkingDir: Type.Optional(Type.String()),
  Labels: nullable(StringMap),
  Volumes: nullable(Type.Record(Type.String(), Type.Unknown())),
  Tty: Type.Optional(Type.Boolean()),
  OpenStdin: Type.Optional(Type.Boolean()),
  StdinOnce: Type.Optional(Type.Boolean()),
  AttachStdin: Type.Optional(Type.Boolean()),
  AttachStdout: Type.Optional(Type.Boolean()),
  AttachStderr: Type.Optional(Type.Boolean()),
  StopSignal: Type.Optional(Type.String()),
  StopTimeout: nullable(Type.Integer()),
  Healthcheck: nullable(
    Type.Object({
      Test: nullable(Strings),
      Interval: Type.Optional(Type.Integer()),
      Timeout: Type.Optional(Type.Integer()),
      StartPeriod: Type.Optional(Type.Integer()),
      StartInterval: Type.Optional(Type.Integer()),
      Retries: Type.Optional(Type.Integer()),
    }),
  ),
  HostConfig: nullable(HostConfigSchema),
});
export type CreateBody = Static<typeof CreateSchema>;
