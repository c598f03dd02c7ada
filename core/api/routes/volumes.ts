/** `/volumes*`. */
import Type from 'typebox';
import { containersUsing } from '../../controllers/volume/use.ts';
import type { Engine } from '../../engine.ts';
import { validatorOf } from '../../schema/validate.ts';
import { requireObject } from '../body.ts';
import {
  checkFilters,
  flagFilter,
  matchesAny,
  matchesLabels,
  matchesPrune,
  parseFilters,
} from '../filters.ts';
import type { Call, Row } from '../route.ts';
import { volumeView } from '../views/volume.ts';

const StringMap = Type.Union([Type.Record(Type.String(), Type.String()), Type.Null()]);
export const CreateVolumeSchema = Type.Object({
  Name: Type.Optional(Type.String()),
  Driver: Type.Optional(Type.String()),
  DriverOpts: Type.Optional(StringMap),
  Labels: Type.Optional(StringMap),
  ClusterVolumeSpec: Type.Optional(Type.Null()),
});
const validate = validatorOf('create volume', CreateVolumeSchema);

export function volumeRows(engine: Engine): readonly Row[] {
  const { volumes } = engine;
  return [
    {
      name: 'volume.list',
      method: 'GET',
      path: '/volumes',
      kind: 'json',
      handler: (call) => list(engine, call),
    },
    {
      name: 'volume.create',
      method: 'POST',
      path: '/volumes/create',
      kind: 'json',
      async handler({ body, signal }) {
        const { Name = '', Driver = '', DriverOpts = null, Labels } = validate(requireObject(body));
        // The docker command sends {} for no options, and plugins are sent null then.
        const options = DriverOpts && Object.keys(DriverOpts).length > 0 ? DriverOpts : null;
        const request = { name: Name, driver: Driver, options, labels: Labels ?? {} };
        return {
          status: 201,
          body: volumeView({ record: await volumes.create(request, signal), live: undefined }),
        };
      },
    },
    {
      name: 'volume.prune',
      method: 'POST',
      path: '/volumes/prune',
      kind: 'json',
      async handler({ query, signal }) {
        const filters = parseFilters(query.text('filters'));
        checkFilters(filters, ['label', 'label!', 'all']);
        const all = flagFilter(filters, 'all') ?? false;
        const wanted = (labels: Readonly<Record<string, string>>) => matchesPrune(filters, labels);
        const { removed, reclaimedBytes } = await volumes.prune({ all, wanted }, signal);
        return { body: { VolumesDeleted: removed, SpaceReclaimed: reclaimedBytes } };
      },
    },
    {
      name: 'volume.inspect',
      method: 'GET',
      path: '/volumes/:name',
      kind: 'json',
      async handler({ params, signal }) {
        return { body: volumeView(await volumes.known.inspect(params.name ?? '', signal)) };
      },
    },
    {
      name: 'volume.remove',
      method: 'DELETE',
      path: '/volumes/:name',
      kind: 'json',
      async handler({ params, query, signal }) {
        await volumes.remove(params.name ?? '', query.flag('force'), signal);
        return { status: 204 };
      },
    },
  ];
}

async function list(engine: Engine, { query, signal }: Call) {
  const filters = parseFilters(query.text('filters'));
  checkFilters(filters, ['name', 'driver', 'label', 'dangling']);
  const only = filters.get('driver');
  const dangling = flagFilter(filters, 'dangling');
  const { volumes, warnings } = await engine.volumes.known.list(only, signal);
  const shown = volumes.filter(
    ({ record }) =>
      matchesAny(filters, 'name', (name) => record.name.includes(name)) &&
      matchesAny(filters, 'driver', (driver) => record.driver === driver) &&
      matchesLabels(filters, record.labels) &&
      (dangling === undefined || dangling === (containersUsing(engine.store, record.name).length === 0)),
  );
  return {
    body: {
      Volumes: shown.map(volumeView),
      Warnings: warnings.length > 0 ? warnings : null,
    },
  };
}
