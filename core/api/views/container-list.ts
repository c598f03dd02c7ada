/** `docker ps`. */

import { snapshotPoint } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import type { Engine } from '../../engine.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import { containerFilter, isUp, labelsOf, networkOf, shownStatus } from '../container-filters.ts';
import type { Filters } from '../filters.ts';
import { mountView, statusText } from './container.ts';
import { endpointsView } from './network.ts';

export interface ListOptions {
  readonly all: boolean;
  /** Of the newest, whether they run or not; 0 or less is all. */
  readonly limit: number;
  readonly size: boolean;
  readonly filters: Filters;
}

/** A snapshot driver that has not counted by then is not waited for. */
const SIZE_MS = 10_000;

/** Newest first. */
export async function containerListView(
  engine: Engine,
  { all, limit, size, filters }: ListOptions,
  signal: AbortSignal,
): Promise<readonly object[]> {
  const wanted = containerFilter(engine, filters);
  const showsAll = all || limit > 0 || filters.has('status');
  const matching = engine.containers
    .all()
    .filter((container) => (showsAll || isUp(container.state.status)) && wanted(container))
    .sort((a, b) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : 0));
  const shown = limit > 0 ? matching.slice(0, limit) : matching;
  if (!size) return shown.map((container) => summaryView(engine, container));
  return Promise.all(
    shown.map(async (container) => ({
      ...summaryView(engine, container),
      ...(await sizesOf(engine, container, signal)),
    })),
  );
}

/** What its writable layer holds, and that with its image's; empty when its driver does not say in time. */
export async function sizesOf(
  engine: Engine,
  { id, imageId, snapshotDriver }: ContainerRecord,
  signal: AbortSignal,
): Promise<{ readonly SizeRw?: number; readonly SizeRootFs?: number }> {
  const soon = AbortSignal.any([signal, AbortSignal.timeout(SIZE_MS)]);
  try {
    const driver = await engine.host.driver(snapshotPoint, snapshotDriver);
    const { sizeBytes } = await driver.usage({ key: id }, { signal: soon });
    return { SizeRw: sizeBytes, SizeRootFs: sizeBytes + (engine.images.find(imageId)?.sizeBytes ?? 0) };
  } catch {
    signal.throwIfAborted();
    return {};
  }
}

export function summaryView(engine: Engine, container: ContainerRecord): object {
  const health = engine.containers.health(container);
  return {
    Id: container.id,
    Names: [`/${container.name}`],
    Image: imageShown(engine, container),
    ImageID: container.imageId,
    Command: commandText(container),
    Created: Math.floor(Date.parse(container.createdAt) / 1000),
    Ports: [],
    Labels: labelsOf(container),
    State: shownStatus(container),
    Status: statusText(container, health),
    HostConfig: { NetworkMode: networkOf(container) },
    NetworkSettings: { Networks: endpointsView(engine.id, container) },
    Health: { Status: health?.status ?? 'none', FailingStreak: health?.failingStreak ?? 0 },
    Mounts: container.mounts.map(mountView),
  };
}

/** As it was asked for, while that still means the same image. */
function imageShown(engine: Engine, { imageName, imageId }: ContainerRecord): string {
  return engine.images.find(imageName)?.id === imageId ? imageName : imageId;
}

function commandText({ process: { args } }: ContainerRecord): string {
  const [command = '', ...rest] = args;
  return [command, ...rest.map((word) => (word.includes(' ') ? `'${word}'` : word))].join(' ');
}
