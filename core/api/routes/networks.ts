/** `/networks*`: what is there of them so far, the predefined ones. */
import { statSync } from 'node:fs';
import path from 'node:path';
import {
  findNetwork,
  type PredefinedNetwork,
  predefinedNetworks,
  removeNetwork,
} from '../../controllers/network/predefined.ts';
import type { Engine } from '../../engine.ts';
import { isUp, networkOf } from '../container-filters.ts';
import {
  checkFilters,
  type Filters,
  flagFilter,
  matchesAny,
  matchesLabels,
  parseFilters,
} from '../filters.ts';
import type { Answer, Call, Row } from '../route.ts';
import { networkView } from '../views/network.ts';

export function networkRows(engine: Engine): readonly Row[] {
  return [
    {
      name: 'network.list',
      method: 'GET',
      path: '/networks',
      kind: 'json',
      handler: async (call) => list(engine, call),
    },
    {
      name: 'network.prune',
      method: 'POST',
      path: '/networks/prune',
      kind: 'json',
      // The predefined ones are never pruned.
      handler: async ({ query }) => {
        checkFilters(parseFilters(query.text('filters')), ['label', 'label!', 'until']);
        return { body: { NetworksDeleted: null } };
      },
    },
    {
      name: 'network.inspect',
      method: 'GET',
      path: '/networks/:id',
      kind: 'json',
      handler: async ({ params }) => inspect(engine, params.id ?? ''),
    },
    {
      name: 'network.remove',
      method: 'DELETE',
      path: '/networks/:id',
      kind: 'json',
      handler: async ({ params }) => removeNetwork(engine.id, params.id ?? ''),
    },
  ];
}

function list(engine: Engine, { query }: Call): Answer {
  const filters = parseFilters(query.text('filters'));
  checkFilters(filters, ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type']);
  const shown = predefinedNetworks(engine.id).filter((network) => matches(network, filters));
  return { body: shown.map((network) => networkView(network, createdAt(engine))) };
}

function matches({ name, id, driver }: PredefinedNetwork, filters: Filters): boolean {
  return (
    matchesAny(filters, 'name', (word) => name.includes(word)) &&
    matchesAny(filters, 'id', (word) => id.startsWith(word)) &&
    matchesAny(filters, 'driver', (word) => word === driver) &&
    matchesAny(filters, 'scope', (word) => word === 'local') &&
    matchesAny(filters, 'type', (word) => word === 'builtin') &&
    matchesLabels(filters, {}) &&
    flagFilter(filters, 'dangling') !== true
  );
}

function inspect(engine: Engine, reference: string): Answer {
  const network = findNetwork(engine.id, reference);
  const attached = engine.containers
    .all()
    .filter((container) => networkOf(container) === network.name && isUp(container.state.status));
  return { body: networkView(network, createdAt(engine), attached) };
}

/** They are as old as the data root. */
function createdAt({ dirs }: Engine): string {
  return statSync(path.join(dirs.data, 'engine-id')).mtime.toISOString();
}
