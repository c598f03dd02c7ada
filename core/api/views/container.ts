/** Containers as the newest Engine API shows them. */
import { isLogKept, logConfigOf } from '../../controllers/logs/log-config.ts';
import type { Engine } from '../../engine.ts';
import type { ContainerMount, ContainerRecord } from '../../store/record-types.ts';
import { checkFilters, type Filters, matchesAny, matchesLabels } from '../filters.ts';

export interface ListOptions {
  readonly all: boolean;
  readonly limit: number;
  readonly size: boolean;
  readonly filters: Filters;
}

const FILTERS = [
  'id',
  'name',
  'label',
  'status',
  'exited',
  'ancestor',
  'volume',
  'network',
  'since',
  'before',
  'health',
];

export function containerListView(engine: Engine, { all, limit, filters }: ListOptions): readonly object[] {
  checkFilters(filters, FILTERS);
  const showsAll = all || limit > 0 || filters.has('status') || filters.has('exited');
  const matching = engine.containers
    .all()
    .filter((container) => showsAll || ['running', 'restarting'].includes(container.state.status))
    .filter((container) => matches(engine, container, filters))
    .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
  return (limit > 0 ? matching.slice(0, limit) : matching).map(summaryView);
}

function matches(engine: Engine, container: ContainerRecord, filters: Filters): boolean {
  const other = (key: 'since' | 'before') =>
    (filters.get(key) ?? []).map((name) => engine.containers.find(name));
  return (
    matchesLabels(filters, labelsOf(container)) &&
    matchesAny(filters, 'id', (id) => container.id.startsWith(id)) &&
    matchesAny(filters, 'name', (name) => `/${container.name}`.includes(name)) &&
    matchesAny(filters, 'status', (status) => shownStatus(container) === status) &&
    matchesAny(filters, 'exited', (code) => String(container.state.exitCode) === code) &&
    matchesAny(filters, 'network', (network) => networkOf(container) === network) &&
    matchesAny(filters, 'health', (health) => health === 'none') &&
    matchesAny(filters, 'ancestor', (image) => engine.images.find(image)?.id === container.imageId) &&
    matchesAny(filters, 'volume', (volume) =>
      container.mounts.some((mount) => mount.source === volume || mount.target === volume),
    ) &&
    other('since').every(({ createdAt }) => container.createdAt > createdAt) &&
    other('before').every(({ createdAt }) => container.createdAt < createdAt)
  );
}

function summaryView(container: ContainerRecord): object {
  return {
    Id: container.id,
    Names: [`/${container.name}`],
    Image: container.imageName,
    ImageID: container.imageId,
    Command: container.process.args.join(' '),
    Created: Math.floor(Date.parse(container.createdAt) / 1000),
    Ports: [],
    Labels: labelsOf(container),
    State: shownStatus(container),
    Status: statusText(container),
    HostConfig: { NetworkMode: networkOf(container) },
    NetworkSettings: { Networks: {} },
    Health: { Status: 'none', FailingStreak: 0 },
    Mounts: container.mounts.map(mountView),
  };
}

export function containerView(engine: Engine, container: ContainerRecord): object {
  const { process, state } = container;
  const execIds = engine.execs.idsOf(container.id);
  const [path = '', ...args] = process.args;
  return {
    Id: container.id,
    Created: container.createdAt,
    Path: path,
    Args: args,
    State: stateView(container),
    Image: container.imageId,
    ResolvConfPath: `${engine.dirs.data}/containers/${container.id}/resolv.conf`,
    HostnamePath: `${engine.dirs.data}/containers/${container.id}/hostname`,
    HostsPath: `${engine.dirs.data}/containers/${container.id}/hosts`,
    LogPath: isLogKept(container) ? `${engine.dirs.data}/containers/${container.id}/container.log` : '',
    Name: `/${container.name}`,
    RestartCount: container.restarts ?? 0,
    Driver: container.snapshotDriver,
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: execIds.length > 0 ? execIds : null,
    HostConfig: {
      RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
      ...container.hostConfig,
      LogConfig: logConfigOf(container),
      Runtime: container.runtime,
    },
    Mounts: container.mounts.map(mountView),
    Config: {
      Domainname: '',
      AttachStdin: false,
      AttachStdout: false,
      AttachStderr: false,
      ...container.config,
      Hostname: (container.config.Hostname as string) || container.id.slice(0, 12),
      User: process.user,
      Tty: process.terminal,
      OpenStdin: process.openStdin,
      StdinOnce: process.stdinOnce,
      Env: process.env,
      WorkingDir: process.cwd,
      Cmd: container.config.Cmd ?? null,
      Entrypoint: container.config.Entrypoint ?? null,
      Volumes: container.config.Volumes ?? null,
      Labels: labelsOf(container),
    },
    NetworkSettings: {
      SandboxID: '',
      SandboxKey: state.pid > 0 ? `/proc/${state.pid}/ns/net` : '',
      Ports: {},
      Networks: {},
    },
  };
}

function stateView({ state }: ContainerRecord): object {
  return {
    Status: state.paused ? 'paused' : state.status,
    Running: state.status === 'running' || state.status === 'restarting',
    Paused: state.paused === true,
    Restarting: state.status === 'restarting',
    OOMKilled: state.oomKilled,
    Dead: state.status === 'dead',
    Pid: state.pid,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: state.startedAt,
    FinishedAt: state.finishedAt,
  };
}

/** Docker shows no source for plugin volumes; nor do we, since only the running mount knows it. */
function mountView(mount: ContainerMount): object {
  const { type, source = '', target, readOnly, bind, volume, mode } = mount;
  return {
    Type: type,
    ...(type === 'volume' ? { Name: source, Source: '' } : { Source: source }),
    Destination: target,
    ...(type === 'volume' && { Driver: volume?.driver ?? '' }),
    Mode: mode,
    RW: !readOnly && type !== 'image',
    Propagation: type === 'bind' ? (bind?.propagation ?? 'rprivate') : '',
  };
}

export function labelsOf({ config }: ContainerRecord): Readonly<Record<string, string>> {
  return (config.Labels as Readonly<Record<string, string>> | null) ?? {};
}

function networkOf({ hostConfig }: ContainerRecord): string {
  return (hostConfig.NetworkMode as string | undefined) || 'default';
}

/** Docker has `paused` beside `running`, though a paused container runs. */
function shownStatus({ state }: ContainerRecord): string {
  return state.paused ? 'paused' : state.status;
}

/** `Up 5 minutes`, `Exited (0) 2 hours ago`, `Created`. */
function statusText({ state }: ContainerRecord): string {
  switch (state.status) {
    case 'running':
      return `Up ${since(state.startedAt)}${state.paused ? ' (Paused)' : ''}`;
    case 'restarting':
      return `Restarting (${state.exitCode}) ${since(state.finishedAt)} ago`;
    case 'exited':
      return `Exited (${state.exitCode}) ${since(state.finishedAt)} ago`;
    default:
      return state.status === 'created' ? 'Created' : 'Dead';
  }
}

function since(time: string): string {
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(time)) / 1000));
  if (seconds < 1) return 'Less than a second';
  const units: readonly (readonly [string, number, number])[] = [
    ['second', 1, 60],
    ['minute', 60, 60],
    ['hour', 3600, 48],
    ['day', 86_400, 14],
    ['week', 604_800, 13],
    ['month', 2_592_000, 24],
    ['year', 31_536_000, Number.POSITIVE_INFINITY],
  ];
  for (const [unit, length, limit] of units) {
    const count = Math.floor(seconds / length);
    if (count < limit)
      return unit === 'minute' && count === 1
        ? 'About a minute'
        : `${count} ${unit}${count === 1 ? '' : 's'}`;
  }
  return 'a long time';
}
