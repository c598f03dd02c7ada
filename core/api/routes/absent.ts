/**
 * The operations of Docker's Engine API that Gantry does not have yet: each answers 501 and names itself. The list is
 * what Docker publishes for 1.55; a test compares both, and docs/compatibility.md is made from it.
 */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { Row } from '../route.ts';

/** `METHOD /path`, with the published parameter names. */
export const PUBLISHED: readonly string[] = [
  'GET /containers/json',
  'POST /containers/create',
  'GET /containers/{id}/json',
  'GET /containers/{id}/top',
  'GET /containers/{id}/logs',
  'GET /containers/{id}/changes',
  'GET /containers/{id}/export',
  'GET /containers/{id}/stats',
  'POST /containers/{id}/resize',
  'POST /containers/{id}/start',
  'POST /containers/{id}/stop',
  'POST /containers/{id}/restart',
  'POST /containers/{id}/kill',
  'POST /containers/{id}/update',
  'POST /containers/{id}/rename',
  'POST /containers/{id}/pause',
  'POST /containers/{id}/unpause',
  'POST /containers/{id}/attach',
  'GET /containers/{id}/attach/ws',
  'POST /containers/{id}/wait',
  'DELETE /containers/{id}',
  'HEAD /containers/{id}/archive',
  'GET /containers/{id}/archive',
  'PUT /containers/{id}/archive',
  'POST /containers/prune',
  'GET /images/json',
  'POST /build',
  'POST /build/prune',
  'POST /images/create',
  'GET /images/{name}/json',
  'GET /images/{name}/attestations',
  'GET /images/{name}/history',
  'POST /images/{name}/push',
  'POST /images/{name}/tag',
  'DELETE /images/{name}',
  'GET /images/search',
  'POST /images/prune',
  'POST /auth',
  'GET /info',
  'GET /version',
  'GET /_ping',
  'HEAD /_ping',
  'POST /commit',
  'GET /events',
  'GET /system/df',
  'GET /images/{name}/get',
  'GET /images/get',
  'POST /images/load',
  'POST /containers/{id}/exec',
  'POST /exec/{id}/start',
  'POST /exec/{id}/resize',
  'GET /exec/{id}/json',
  'GET /volumes',
  'POST /volumes/create',
  'GET /volumes/{name}',
  'PUT /volumes/{name}',
  'DELETE /volumes/{name}',
  'POST /volumes/prune',
  'GET /networks',
  'GET /networks/{id}',
  'DELETE /networks/{id}',
  'POST /networks/create',
  'POST /networks/{id}/connect',
  'POST /networks/{id}/disconnect',
  'POST /networks/prune',
  'GET /plugins',
  'GET /plugins/privileges',
  'POST /plugins/pull',
  'GET /plugins/{name}/json',
  'DELETE /plugins/{name}',
  'POST /plugins/{name}/enable',
  'POST /plugins/{name}/disable',
  'POST /plugins/{name}/upgrade',
  'POST /plugins/create',
  'POST /plugins/{name}/push',
  'POST /plugins/{name}/set',
  'GET /nodes',
  'GET /nodes/{id}',
  'DELETE /nodes/{id}',
  'POST /nodes/{id}/update',
  'GET /swarm',
  'POST /swarm/init',
  'POST /swarm/join',
  'POST /swarm/leave',
  'POST /swarm/update',
  'GET /swarm/unlockkey',
  'POST /swarm/unlock',
  'GET /services',
  'POST /services/create',
  'GET /services/{id}',
  'DELETE /services/{id}',
  'POST /services/{id}/update',
  'GET /services/{id}/logs',
  'GET /tasks',
  'GET /tasks/{id}',
  'GET /tasks/{id}/logs',
  'GET /secrets',
  'POST /secrets/create',
  'GET /secrets/{id}',
  'DELETE /secrets/{id}',
  'POST /secrets/{id}/update',
  'GET /configs',
  'POST /configs/create',
  'GET /configs/{id}',
  'DELETE /configs/{id}',
  'POST /configs/{id}/update',
  'GET /distribution/{name}/json',
  'POST /session',
];

/** Parameters that may hold slashes. */
const SPANS_SLASHES = ['/images/{name}', '/plugins/{name}', '/distribution/{name}'];

export function absentRows(present: readonly Row[]): readonly Row[] {
  const there = new Set(present.map((row) => `${row.method} ${shapeOf(row.path)}`));
  return PUBLISHED.map((operation) => operation.split(' ') as [Row['method'], string])
    .filter(([method, path]) => !there.has(`${method} ${shapeOf(path)}`))
    .map(([method, path]) => absentRow(method, path));
}

function absentRow(method: Row['method'], path: string): Row {
  const spans = SPANS_SLASHES.some((prefix) => path.startsWith(prefix));
  return {
    name: 'absent',
    method,
    path: path.replace(/\{(\w+)\}/g, spans ? '*$1' : ':$1'),
    kind: 'tar',
    handler: async () => {
      // `docker inspect` asks for an object of every kind, and passes over those that are "not supported".
      const message = `${method} ${path} is not supported: it is not there yet`;
      throw new HostError('NotImplemented', 'NOT_IMPLEMENTED', message, {
        hint: 'docs/compatibility.md lists what is',
      });
    },
  };
}

/** A path with its parameters unnamed, so that ours and the published ones compare. */
export function shapeOf(path: string): string {
  return path.replace(/\{\w+\}|[:*]\w+/g, '{}');
}
