/** What `POST /containers/create` may ask, as a schema: wrong types are refused, unknown fields ignored as in Docker. */
import Type, { type Static } from 'typebox';

const Strings = Type.Array(Type.String());
const nullable = <T extends Type.TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]));
const StringMap = Type.Record(Type.String(), Type.String());
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
  Binds: nullable(Strings),
  Mounts: nullable(Type.Array(MountSchema)),
  Tmpfs: nullable(StringMap),
  VolumesFrom: nullable(Strings),
  VolumeDriver: Type.Optional(Type.String()),
  AutoRemove: Type.Optional(Type.Boolean()),
  NetworkMode: Type.Optional(Type.String()),
  PortBindings: nullable(Type.Record(Type.String(), Type.Unknown())),
  PublishAllPorts: Type.Optional(Type.Boolean()),
  RestartPolicy: nullable(
    Type.Object({ Name: Type.Optional(Type.String()), MaximumRetryCount: Type.Optional(Type.Integer()) }),
  ),
  CapAdd: nullable(Strings),
  CapDrop: nullable(Strings),
  SecurityOpt: nullable(Strings),
  ReadonlyRootfs: Type.Optional(Type.Boolean()),
  Privileged: Type.Optional(Type.Boolean()),
  Runtime: Type.Optional(Type.String()),
  ShmSize: Type.Optional(Type.Integer()),
  Memory: Type.Optional(Type.Integer()),
  PidsLimit: nullable(Type.Integer()),
  OomScoreAdj: Type.Optional(Type.Integer()),
  LogConfig: nullable(Type.Object({ Type: Type.Optional(Type.String()), Config: nullable(StringMap) })),
});
export type HostConfigBody = Static<typeof HostConfigSchema>;

export const CreateSchema = Type.Object({
  Image: Type.String(),
  Hostname: Type.Optional(Type.String()),
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
