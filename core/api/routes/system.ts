/** `/_ping`, `/version`, `/info`. */
import os from 'node:os';
import { LOG_DRIVERS } from '../../controllers/logs/log-config.ts';
import type { Engine } from '../../engine.ts';
import type { Call, Row } from '../route.ts';
import { NEWEST_API, OLDEST_API } from '../version.ts';

export function systemRows(engine: Engine): readonly Row[] {
  const ping = async ({ req, res }: Call) => {
    // The docker command begins so whatever it is for.
    engine.containers.anticipate();
    res.writeHead(200, {
      'Content-Type': 'text/plain; charset=utf-8',
      'Cache-Control': 'no-cache, no-store, must-revalidate',
      Pragma: 'no-cache',
    });
    res.end(req.method === 'HEAD' ? undefined : 'OK');
    return undefined;
  };
  return [
    { name: 'system.ping', method: 'HEAD', path: '/_ping', kind: 'stream', handler: ping },
    { name: 'system.ping', method: 'GET', path: '/_ping', kind: 'stream', handler: ping },
    {
      name: 'system.version',
      method: 'GET',
      path: '/version',
      kind: 'json',
      handler: async () => ({ body: await versionView(engine) }),
    },
    {
      name: 'system.info',
      method: 'GET',
      path: '/info',
      kind: 'json',
      handler: async () => ({ body: infoView(engine) }),
    },
  ];
}

async function versionView(engine: Engine): Promise<object> {
  const runtime = await engine.runtimeVersion();
  const details = {
    ApiVersion: NEWEST_API,
    MinAPIVersion: OLDEST_API,
    GitCommit: '',
    GoVersion: `node${process.versions.node}`,
    Os: 'linux',
    Arch: goArchitecture(),
    KernelVersion: os.release(),
    BuildTime: '',
  };
  return {
    Platform: { Name: 'Gantry' },
    Version: engine.version,
    ...details,
    Components: [
      { Name: 'Engine', Version: engine.version, Details: { ...details, Experimental: 'false' } },
      { Name: runtime.name, Version: runtime.version, Details: {} },
    ],
  };
}

function infoView(engine: Engine): object {
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
    Driver: engine.defaults.snapshot,
    DriverStatus: [],
    SystemStatus: null,
    Plugins: {
      Volume: names('volume'),
      Network: ['host', 'none'],
      Authorization: null,
      Log: LOG_DRIVERS,
    },
    MemoryLimit: true,
    SwapLimit: false,
    CpuCfsPeriod: false,
    CpuCfsQuota: false,
    CPUShares: false,
    CPUSet: false,
    PidsLimit: true,
    IPv4Forwarding: true,
    Debug: false,
    NFd: 0,
    OomKillDisable: false,
    NGoroutines: 0,
    SystemTime: new Date().toISOString(),
    LoggingDriver: engine.defaults.log.Type,
    CgroupDriver: 'cgroupfs',
    CgroupVersion: engine.cgroupVersion,
    NEventsListener: 0,
    KernelVersion: os.release(),
    OperatingSystem: engine.operatingSystem,
    OSVersion: '',
    OSType: 'linux',
    Architecture: os.machine(),
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: { IndexConfigs: {}, InsecureRegistryCIDRs: [], Mirrors: [] },
    NCPU: os.availableParallelism(),
    MemTotal: os.totalmem(),
    GenericResources: null,
    DockerRootDir: engine.dirs.data,
    HttpProxy: '',
    HttpsProxy: '',
    NoProxy: '',
    Labels: [],
    ExperimentalBuild: false,
    Runtimes: Object.fromEntries(names('runtime').map((name) => [name, { path: name }])),
    DefaultRuntime: engine.defaults.runtime,
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
    InitBinary: '',
    ContainerdCommit: { ID: '' },
    RuncCommit: { ID: '' },
    InitCommit: { ID: '' },
    SecurityOptions: ['name=seccomp,profile=builtin'],
    Warnings: [],
  };
}

/** The word that Docker's clients compare with image platforms. */
export function goArchitecture(): string {
  const names: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
  return names[process.arch] ?? process.arch;
}
