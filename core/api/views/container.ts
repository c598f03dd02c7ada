/** Containers as the newest Engine API shows them. */

import { hostnameOf } from '../../controllers/container/etc/hostname.ts';
import type { Engine } from '../../engine.ts';
import type { ContainerHealth, ContainerMount, ContainerRecord } from '../../store/record-types.ts';
import { isUp, labelsOf } from '../container-filters.ts';
import { hostConfigView } from './host-config.ts';
import { endpointsView } from './network.ts';

export function containerView(engine: Engine, container: ContainerRecord): object {
  const { process, state } = container;
  const execIds = engine.execs.idsOf(container.id);
  const [path = '', ...args] = process.args;
  return {
    Id: container.id,
    Created: container.createdAt,
    Path: path,
    Args: args,
    State: stateView(container, engine.containers.health(container)),
    Image: container.imageId,
    ResolvConfPath: `${engine.dirs.data}/containers/${container.id}/resolv.conf`,
    HostnamePath: `${engine.dirs.data}/containers/${container.id}/hostname`,
    HostsPath: `${engine.dirs.data}/containers/${container.id}/hosts`,
    LogPath: container.logPath ?? '',
    Name: `/${container.name}`,
    RestartCount: container.restarts ?? 0,
    Driver: container.snapshotDriver,
    Storage: { RootFS: { Snapshot: { Name: container.snapshotDriver } } },
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: execIds.length > 0 ? execIds : null,
    HostConfig: hostConfigView(container),
    Mounts: container.mounts.map(mountView),
    Config: {
      Domainname: '',
      AttachStdin: false,
      AttachStdout: false,
      AttachStderr: false,
      ...container.config,
      Hostname: hostnameOf(container),
      User: process.user,
      Tty: process.terminal,
      OpenStdin: process.openStdin,
      StdinOnce: process.stdinOnce,
      Env: process.env,
      WorkingDir: container.config.WorkingDir ?? process.cwd,
      Cmd: container.config.Cmd ?? null,
      Entrypoint: container.config.Entrypoint ?? null,
      Volumes: container.config.Volumes ?? null,
      OnBuild: null,
      Labels: labelsOf(container),
    },
    NetworkSettings: {
      SandboxID: '',
      SandboxKey: state.pid > 0 ? `/proc/${state.pid}/ns/net` : '',
      Ports: {},
      Networks: endpointsView(engine.id, container),
    },
  };
}

function stateView({ state }: ContainerRecord, health: ContainerHealth | undefined): object {
  return {
    Status: state.paused ? 'paused' : state.status,
    Running: isUp(state.status),
    Paused: state.paused === true,
    Restarting: state.status === 'restarting',
    OOMKilled: state.oomKilled,
    Dead: state.status === 'dead',
    Pid: state.pid,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: state.startedAt,
    FinishedAt: state.finishedAt,
    ...(health && { Health: healthView(health) }),
  };
}

function healthView({ status, failingStreak, log }: ContainerHealth): object {
  const results = log.map(({ start, end, exitCode, output }) => {
    return { Start: start, End: end, ExitCode: exitCode, Output: output };
  });
  return { Status: status, FailingStreak: failingStreak, Log: results };
}

/** Docker shows no source for plugin volumes; nor do we, since only the running mount knows it. */
export function mountView(mount: ContainerMount): object {
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

/** `Up 5 minutes`, `Exited (0) 2 hours ago`, `Created`. */
export function statusText({ state }: ContainerRecord, health: ContainerHealth | undefined): string {
  switch (state.status) {
    case 'running':
      return `Up ${since(state.startedAt)}${state.paused ? ' (Paused)' : healthText(health)}`;
    case 'restarting':
      return `Restarting (${state.exitCode}) ${since(state.finishedAt)} ago`;
    case 'exited':
      return `Exited (${state.exitCode}) ${since(state.finishedAt)} ago`;
    default:
      return state.status === 'created' ? 'Created' : 'Dead';
  }
}

function healthText(health: ContainerHealth | undefined): string {
  if (!health) return '';
  return health.status === 'starting' ? ' (health: starting)' : ` (${health.status})`;
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
