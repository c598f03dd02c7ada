/** `/gantry/*`: what the gantry command asks and Docker has no word for. */
import { volumePoint } from '@gantry/plugin-sdk/contracts/volume.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { builtinManifests } from '../../builtins.ts';
import type { Scene } from '../../controllers/fsck/finding.ts';
import { fsck, repair } from '../../controllers/fsck.ts';
import { why } from '../../controllers/why.ts';
import type { Engine } from '../../engine.ts';
import type { DriverRow } from '../../host/driver-record.ts';
import type { Row } from '../route.ts';
import { driverDetails, driverView } from '../views/driver.ts';
import { driverLogs } from './driver-logs.ts';
import { unknownDriver } from './unknown-driver.ts';

const CAPABILITIES_MS = 1_000;

export function gantryRows(engine: Engine): readonly Row[] {
  return [
    {
      name: 'gantry.driver.list',
      method: 'GET',
      path: '/gantry/drivers',
      kind: 'json',
      handler: async () => ({ body: { drivers: engine.host.list().map(driverView) } }),
    },
    {
      name: 'gantry.driver.inspect',
      method: 'GET',
      path: '/gantry/drivers/*name',
      kind: 'json',
      handler: async ({ params, signal }) => ({ body: await inspect(engine, params.name ?? '', signal) }),
    },
    {
      name: 'gantry.driver.logs',
      method: 'GET',
      path: '/gantry/driver-logs/*name',
      kind: 'stream',
      handler: (call) => driverLogs(engine.host, call),
    },
    {
      name: 'gantry.why',
      method: 'GET',
      path: '/gantry/why',
      kind: 'json',
      handler: async ({ query }) => ({ body: whyView(engine, query.text('object')) }),
    },
    {
      name: 'gantry.fsck',
      method: 'GET',
      path: '/gantry/fsck',
      kind: 'json',
      handler: async ({ signal }) => ({ body: await fsck(scene(engine), signal) }),
    },
    {
      name: 'gantry.fsck.repair',
      method: 'POST',
      path: '/gantry/fsck/repair',
      kind: 'json',
      handler: async ({ signal }) => ({ body: await repair(scene(engine), signal) }),
    },
  ];
}

function scene({ store, locks, replay, host, volumes, content, dirs }: Engine): Scene {
  return { store, locks, replay, drivers: host, volumes, content, dirs, cgroups: '/sys/fs/cgroup' };
}

/** Every driver called `wanted`, or the one that `POINT/NAME` says. */
async function inspect({ host }: Engine, wanted: string, signal: AbortSignal): Promise<object> {
  const rows = host.list();
  const found = rows.filter(({ point, name }) => name === wanted || `${point}/${name}` === wanted);
  if (found.length === 0) throw unknownDriver(rows, wanted);
  return { drivers: await Promise.all(found.map((row) => details(host, row, signal))) };
}

async function details(host: Engine['host'], row: DriverRow, signal: AbortSignal): Promise<object> {
  const manifest = row.carrier === 'in-process' ? builtinManifests[`${row.point}/${row.name}`] : undefined;
  const capabilities = await capabilitiesOf(host, row, signal);
  return { ...driverDetails(row), ...(manifest && { manifest }), ...(capabilities && { capabilities }) };
}

/** Asked only of a driver that answers; one that does not say soon has none known. */
async function capabilitiesOf(host: Engine['host'], { point, name, state }: DriverRow, signal: AbortSignal) {
  if (point !== volumePoint.word || state !== 'ready') return undefined;
  const soon = AbortSignal.any([signal, AbortSignal.timeout(CAPABILITIES_MS)]);
  try {
    const driver = await host.driver(volumePoint, name, { signal: soon });
    return await driver.capabilities({}, { signal: soon });
  } catch {
    return undefined;
  }
}

function whyView(engine: Engine, object: string): object {
  if (object === '')
    throw new HostError('InvalidArgument', 'OBJECT_MISSING', 'why: the query lacks "object"');
  const { drivers, ...rest } = why(engine, object);
  return {
    ...rest,
    drivers: drivers.map(({ row, ...needed }) => ({ ...needed, driver: row && driverView(row) })),
  };
}
