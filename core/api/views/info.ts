import { readdirSync, readFileSync, statfsSync } from 'node:fs';
import os from 'node:os';
import type { RegistryDefaults } from '../../config/defaults.ts';
import { type HostSupport, hostSupport } from '../../controllers/container/options/host-support.ts';
import type { Engine } from '../../engine.ts';

/** `GET /info`: what this daemon is, has, and was told. */
export function infoView(engine: Engine): object {
  const { options, defaults } = engine;
  const support = hostSupport();
  const containers = engine.containers.all();
  const running = containers.filter(({ state }) => state.status === 'running').length;
  const paused = containers.filter(({ state }) => state.paused).length;
  const names = (point: string) =>
    engine.host.list().flatMap((row) => (row.point === point ? [row.name] : []));
  return {
    ID: engine.id,
    Name: os.hostname(),
    ServerVersion: engine.version,
    Containers: containers.length,
    ContainersRunning: running - paused,
    ContainersPaused: paused,
    ContainersStopped: containers.length - running,
    Images: engine.images.all().length,
    Driver: defaults.snapshot,
    DriverStatus: [['Backing Filesystem', fileSystemOf(engine.dirs.data)]],
    Plugins: {
      Volume: names('volume'),
      Network: ['host', 'none'],
      Authorization: null,
      Log: names('log'),
    },
    MemoryLimit: support.memoryLimit,
    SwapLimit: support.swapLimit,
    CpuCfsPeriod: support.cpuQuota,
    CpuCfsQuota: support.cpuQuota,
    CPUShares: support.cpuShares,
    CPUSet: support.cpuset,
    PidsLimit: support.pidsLimit,
    IPv4Forwarding: forwards(),
    Debug: options.debug,
    NFd: openDescriptors(),
    OomKillDisable: support.oomKillDisable,
    NGoroutines: 0,
    SystemTime: new Date().toISOString(),
    LoggingDriver: defaults.log.Type,
    CgroupDriver: 'cgroupfs',
    CgroupVersion: engine.cgroupVersion,
    NEventsListener: engine.events.listeners,
    KernelVersion: os.release(),
    OperatingSystem: engine.operatingSystem,
    OSVersion: '',
    OSType: 'linux',
    Architecture: os.machine(),
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: registryConfig(defaults.registries),
    NCPU: os.availableParallelism(),
    MemTotal: os.totalmem(),
    GenericResources: null,
    DockerRootDir: engine.dirs.data,
    HttpProxy: withoutSecrets(options.httpProxy),
    HttpsProxy: withoutSecrets(options.httpsProxy),
    NoProxy: options.noProxy,
    Labels: options.labels,
    ExperimentalBuild: false,
    Runtimes: Object.fromEntries(names('runtime').map((name) => [name, runtimeView(engine, name)])),
    DefaultRuntime: defaults.runtime,
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    LiveRestoreEnabled: true,
    Isolation: '',
    InitBinary: defaults.initPath,
    ContainerdCommit: { ID: '' },
    RuncCommit: { ID: '' },
    InitCommit: { ID: '' },
    SecurityOptions: securityOptions(engine),
    Warnings: [...options.warnings, ...missingLimits(support)],
  };
}

function runtimeView({ options }: Engine, name: string): object {
  const own = Object.hasOwn(options.runtimes, name) ? options.runtimes[name] : undefined;
  if (own === undefined) return { path: name };
  return { path: own.path, ...(own.args.length > 0 && { runtimeArgs: own.args }) };
}

function securityOptions({ defaults, cgroupVersion }: Engine): readonly string[] {
  return [
    `name=seccomp,profile=${defaults.seccompProfile}`,
    ...(defaults.noNewPrivileges ? ['name=no-new-privileges'] : []),
    ...((defaults.cgroupnsMode || (cgroupVersion === '2' && 'private')) === 'private'
      ? ['name=cgroupns']
      : []),
  ];
}

/** Registries on this machine may always go without TLS, as in Docker. */
const LOCAL_NETWORKS = ['::1/128', '127.0.0.0/8'];

function registryConfig({ insecure, mirrors }: RegistryDefaults): object {
  const networks = insecure.filter((one) => one.includes('/'));
  const hosts = insecure.filter((one) => !one.includes('/'));
  const index = (Name: string, Secure: boolean) => [Name, { Name, Mirrors: [], Secure, Official: false }];
  return {
    InsecureRegistryCIDRs: [...LOCAL_NETWORKS, ...networks],
    IndexConfigs: {
      'docker.io': { Name: 'docker.io', Mirrors: mirrors, Secure: true, Official: true },
      ...Object.fromEntries(hosts.map((host) => index(host, false))),
    },
    Mirrors: mirrors,
  };
}

/** Anybody who may ask the daemon may read this. */
function withoutSecrets(proxy: string): string {
  if (!URL.canParse(proxy)) return proxy;
  const url = new URL(proxy);
  if (url.username === '' && url.password === '') return proxy;
  url.username = url.password = 'xxxxx';
  return url.href;
}

/** Docker's names. Source: statfs(2). */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: 'extfs',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  16914836: 'tmpfs',
  2035054128: 'overlayfs',
  801189825: 'zfs',
};

function fileSystemOf(path: string): string {
  try {
    return FILE_SYSTEMS[statfsSync(path).type] ?? '<unknown>';
  } catch {
    return '<unknown>';
  }
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** In Docker's words, which the docker command prints. */
function missingLimits(support: HostSupport): readonly string[] {
  const words: readonly (readonly [boolean, string])[] = [
    [support.memoryLimit, 'memory limit'],
    [support.swapLimit, 'swap limit'],
    [support.cpuQuota, 'cpu cfs quota'],
    [support.cpuShares, 'cpu shares'],
    [support.cpuset, 'cpuset'],
    [support.pidsLimit, 'pids limit'],
  ];
  return words.flatMap(([there, what]) => (there ? [] : [`WARNING: No ${what} support`]));
}

function forwards(): boolean {
  try {
    return readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim() === '1';
  } catch {
    return false;
  }
}
