/** `/system/df`: what images, containers and volumes take up. */
import { volumePoint } from '@gantry/plugin-sdk/contracts/volume.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { treeUsage } from '@gantry/plugin-sdk/system/held-directory.ts';
import { containersUsing } from '../../controllers/volume/use.ts';
import type { Engine } from '../../engine.ts';
import type { ImageRecord, VolumeRecord } from '../../store/record-types.ts';
import type { Answer, Call, Row } from '../route.ts';
import { compareApi } from '../version.ts';
import { sizesOf, summaryView } from '../views/container-list.ts';
import { imageSummary, sharedSizes } from '../views/image.ts';
import { volumeView } from '../views/volume.ts';

/** A tree that is not counted by then has an unknown size. */
const SIZE_MS = 10_000;
const UNKNOWN = -1;

const TYPES = ['container', 'image', 'volume', 'build-cache'];

/** Of one kind of thing; bytes. `Items` are left out where nobody asked for them. */
interface Usage {
  readonly ActiveCount: number;
  readonly TotalCount: number;
  readonly TotalSize: number;
  readonly Reclaimable: number;
  readonly Items?: readonly object[];
}

export function diskUsageRows(engine: Engine): readonly Row[] {
  return [
    {
      name: 'system.df',
      method: 'GET',
      path: '/system/df',
      kind: 'json',
      handler: (call) => diskUsage(engine, call),
    },
  ];
}

async function diskUsage(engine: Engine, { query, version, signal }: Call): Promise<Answer> {
  const asked = query.all('type');
  const unknown = asked.find((type) => !TYPES.includes(type));
  if (unknown !== undefined)
    throw new HostError('InvalidArgument', 'INVALID_USAGE_TYPE', `unknown object type: ${unknown}`);
  const wants = (type: string) => asked.length === 0 || asked.includes(type);
  const [containers, volumes] = await Promise.all([
    wants('container') ? containerUsage(engine, signal) : undefined,
    wants('volume') ? volumeUsage(engine, signal) : undefined,
  ]);
  // Before 1.52 there was nothing but the items.
  const isWhole = query.flag('verbose') || compareApi(version, '1.52') < 0;
  const shown = ({ Items = [], ...usage }: Usage) => (isWhole ? { ...usage, Items } : usage);
  const none = { ActiveCount: 0, TotalCount: 0, TotalSize: 0, Reclaimable: 0, Items: [] };
  return {
    body: {
      ...(wants('image') && { ImageUsage: shown(imageUsage(engine)) }),
      ...(containers && { ContainerUsage: shown(containers) }),
      ...(volumes && { VolumeUsage: shown(volumes) }),
      ...(wants('build-cache') && { BuildCacheUsage: shown(none) }),
    },
  };
}

/** A layer that several images have counts once. */
function imageUsage(engine: Engine): Usage {
  const images = engine.images.all();
  const users = new Set(engine.containers.all().map(({ imageId }) => imageId));
  const active = images.filter(({ id }) => users.has(id));
  const total = layersSize(images);
  const shared = sharedSizes(images);
  return {
    ActiveCount: active.length,
    TotalCount: images.length,
    TotalSize: total,
    Reclaimable: total - layersSize(active),
    Items: images.map((image) => imageSummary(engine, image, shared.get(image.id) ?? 0)),
  };
}

function layersSize(images: readonly ImageRecord[]): number {
  const sizes = new Map(
    images.flatMap(({ layers, layerSizes = [] }) =>
      layers.map((layer, at) => [layer, layerSizes[at] ?? 0] as const),
    ),
  );
  return sum([...sizes.values()]);
}

async function containerUsage(engine: Engine, signal: AbortSignal): Promise<Usage> {
  const all = await Promise.all(
    engine.containers.all().map(async (container) => {
      const sizes = await sizesOf(engine, container, signal);
      const isActive = container.state.status === 'running' || container.state.status === 'restarting';
      const view = { ...summaryView(engine, container), ...sizes };
      return { view, isActive, size: sizes.SizeRw ?? 0 };
    }),
  );
  return usageOf(all);
}

async function volumeUsage(engine: Engine, signal: AbortSignal): Promise<Usage> {
  const { store } = engine;
  const all = await Promise.all(
    store.records.all('volume').map(async (record) => {
      const size = await volumeSize(engine, record, signal);
      const users = containersUsing(store, record.name).length;
      const view = {
        ...volumeView({ record, live: undefined }),
        UsageData: { Size: size, RefCount: users },
      };
      return { view, isActive: users > 0, size: Math.max(size, 0) };
    }),
  );
  return usageOf(all);
}

/** Only of what is a directory of this machine's own: anything else may take long, and its disk is another's. */
async function volumeSize(
  { host }: Engine,
  { name, driver, options }: VolumeRecord,
  signal: AbortSignal,
): Promise<number> {
  if (driver !== 'local' || Object.keys(options ?? {}).length > 0) return UNKNOWN;
  const soon = AbortSignal.any([signal, AbortSignal.timeout(SIZE_MS)]);
  const { promise: late, resolve } = Promise.withResolvers<number>();
  soon.addEventListener('abort', () => resolve(UNKNOWN));
  const count = async () => {
    const { mountpoint } = await (await host.driver(volumePoint, driver)).path({ name }, { signal: soon });
    return (await treeUsage(mountpoint, soon)).sizeBytes;
  };
  return Promise.race([count().catch(() => UNKNOWN), late]);
}

function usageOf(
  all: readonly { readonly view: object; readonly isActive: boolean; readonly size: number }[],
): Usage {
  const active = all.filter(({ isActive }) => isActive);
  const total = sum(all.map(({ size }) => size));
  return {
    ActiveCount: active.length,
    TotalCount: all.length,
    TotalSize: total,
    Reclaimable: total - sum(active.map(({ size }) => size)),
    Items: all.map(({ view }) => view),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
