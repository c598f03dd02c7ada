/**
 * What the operator wants for containers and images that do not say it themselves. One object for the daemon's life,
 * which a reload changes in place: read a field when it is needed, and keep none.
 */
import type { LogConfig } from '../controllers/logs/log-config.ts';
import type { Ulimit } from './options/container-types.ts';
import type { DaemonOptions } from './options/read.ts';

export interface Defaults {
  /** Names of drivers. */
  readonly runtime: string;
  readonly snapshot: string;
  readonly log: LogConfig;
  /** By name, e.g. `nofile`. */
  readonly ulimits: Readonly<Record<string, Ulimit>>;
  readonly shmSizeBytes: number;
  readonly ipcMode: string;
  /** '' for what the version of the cgroups suggests. */
  readonly cgroupnsMode: string;
  /** '' for ours. */
  readonly cgroupParent: string;
  readonly init: boolean;
  /** Path of the init program; '' to look for one. */
  readonly initPath: string;
  readonly noNewPrivileges: boolean;
  /** Path of a file, `builtin` or `unconfined`. */
  readonly seccompProfile: string;
  readonly dns: {
    readonly servers: readonly string[];
    readonly options: readonly string[];
    readonly search: readonly string[];
  };
  /** Addresses that `host-gateway` stands for. */
  readonly hostGateways: readonly string[];
  readonly registries: RegistryDefaults;
}

export interface RegistryDefaults {
  /** Hosts, with or without a port, and networks as `10.0.0.0/8`. */
  readonly insecure: readonly string[];
  /** URLs without a path. */
  readonly mirrors: readonly string[];
  /** Directories with `HOST/ca.crt`, `HOST/client.cert` and `HOST/client.key`. */
  readonly certDirs: readonly string[];
  readonly concurrentDownloads: number;
  readonly concurrentUploads: number;
  readonly attempts: number;
  /** '' for none. */
  readonly httpProxy: string;
  readonly httpsProxy: string;
  readonly noProxy: string;
}

/** `chosen`: the names of drivers, which depend on what runs on this machine. */
export function defaultsOf(options: DaemonOptions, chosen: Pick<Defaults, 'runtime' | 'snapshot'>): Defaults {
  return {
    ...chosen,
    log: options.log,
    ulimits: options.defaultUlimits,
    shmSizeBytes: options.defaultShmSize,
    ipcMode: options.defaultIpcMode,
    cgroupnsMode: options.defaultCgroupnsMode,
    cgroupParent: options.cgroupParent,
    init: options.init,
    initPath: options.initPath,
    noNewPrivileges: options.noNewPrivileges,
    seccompProfile: options.seccompProfile || 'builtin',
    dns: { servers: options.dns, options: options.dnsOptions, search: options.dnsSearch },
    hostGateways: options.hostGateways,
    registries: {
      insecure: options.insecureRegistries,
      mirrors: options.registryMirrors,
      certDirs: options.registryCertDirs,
      concurrentDownloads: options.maxConcurrentDownloads,
      concurrentUploads: options.maxConcurrentUploads,
      attempts: options.maxDownloadAttempts,
      httpProxy: options.httpProxy,
      httpsProxy: options.httpsProxy,
      noProxy: options.noProxy,
    },
  };
}

/** Docker's word for its driver on overlays is another than ours; '' stays ''. */
export function snapshotDriver(wanted: string): string {
  return wanted === 'overlay2' ? 'overlay' : wanted;
}
