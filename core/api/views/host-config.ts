/** A container's `HostConfig` as Docker shows it: every field, with what stands for one that nobody gave. */
import { logConfigOf } from '../../controllers/logs/log-config.ts';
import type { ContainerRecord } from '../../store/record-types.ts';

/** In Docker's order. A list is null or empty as the client gave it, which the docker command does for some of them. */
const UNSET: Readonly<Record<string, unknown>> = {
  Binds: null,
  ContainerIDFile: '',
  LogConfig: null,
  NetworkMode: 'default',
  PortBindings: {},
  RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
  AutoRemove: false,
  VolumeDriver: '',
  VolumesFrom: null,
  ConsoleSize: [0, 0],
  CapAdd: null,
  CapDrop: null,
  CgroupnsMode: 'host',
  Dns: null,
  DnsOptions: null,
  DnsSearch: null,
  ExtraHosts: null,
  GroupAdd: null,
  IpcMode: 'private',
  Cgroup: '',
  Links: null,
  OomScoreAdj: 0,
  PidMode: '',
  Privileged: false,
  PublishAllPorts: false,
  ReadonlyRootfs: false,
  SecurityOpt: null,
  UTSMode: '',
  UsernsMode: '',
  ShmSize: 67_108_864,
  Runtime: '',
  Isolation: '',
  CpuShares: 0,
  Memory: 0,
  NanoCpus: 0,
  CgroupParent: '',
  BlkioWeight: 0,
  BlkioWeightDevice: null,
  BlkioDeviceReadBps: null,
  BlkioDeviceWriteBps: null,
  BlkioDeviceReadIOps: null,
  BlkioDeviceWriteIOps: null,
  CpuPeriod: 0,
  CpuQuota: 0,
  CpuRealtimePeriod: 0,
  CpuRealtimeRuntime: 0,
  CpusetCpus: '',
  CpusetMems: '',
  Devices: null,
  DeviceCgroupRules: null,
  DeviceRequests: null,
  MemoryReservation: 0,
  MemorySwap: 0,
  MemorySwappiness: null,
  OomKillDisable: null,
  PidsLimit: null,
  Ulimits: null,
  CpuCount: 0,
  CpuPercent: 0,
  IOMaximumIOps: 0,
  IOMaximumBandwidth: 0,
  MaskedPaths: null,
  ReadonlyPaths: null,
};

/** Shown only where somebody gave them. */
const OPTIONAL = ['Mounts', 'Tmpfs', 'Sysctls', 'Init', 'StorageOpt', 'Annotations'];

export function hostConfigView(container: ContainerRecord): object {
  const { hostConfig } = container;
  const known = Object.entries(UNSET).map(([field, unset]) => [field, given(hostConfig[field]) ?? unset]);
  const more = OPTIONAL.filter((field) => !isEmpty(hostConfig[field])).map((field) => [
    field,
    hostConfig[field],
  ]);
  return {
    ...Object.fromEntries(known),
    ...Object.fromEntries(more),
    RestartPolicy: restartPolicy(hostConfig.RestartPolicy),
    LogConfig: logConfigOf(container),
    Runtime: container.runtime,
  };
}

function given(value: unknown): unknown {
  return value === '' ? undefined : value;
}

function restartPolicy(policy: unknown): object {
  const { Name = '', MaximumRetryCount = 0 } = (policy ?? {}) as {
    Name?: string;
    MaximumRetryCount?: number;
  };
  return { Name: Name || 'no', MaximumRetryCount };
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
