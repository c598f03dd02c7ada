/** `/build/*`: BuildKit builds, and brings a cache of its own; so there is never one here to prune, which is no error. */
import type { Row } from '../route.ts';

export const buildRows: readonly Row[] = [
  {
    name: 'build.prune',
    method: 'POST',
    path: '/build/prune',
    since: '1.31',
    kind: 'json',
    handler: async () => ({ body: { CachesDeleted: null, SpaceReclaimed: 0 } }),
  },
];
