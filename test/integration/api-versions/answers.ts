/** A request for each operation that answers with JSON, and some that fail. `EXEC` in a path is an exec's id, `NOW` the time. */
import { join } from 'node:path';
import type { TestDaemon } from '../../fixtures/daemon.ts';
import { makeBusyboxArchive } from '../../fixtures/make-busybox-image.ts';

export interface Answer {
  /** As it is published: `GET /containers/{id}/json`. */
  readonly operation: string;
  readonly url: string;
  readonly body?: unknown;
  readonly status: number;
  /** Makes what the request uses up. */
  readonly before?: (daemon: TestDaemon) => Promise<unknown>;
}

const NOTHING = encodeURIComponent('{"label":["no=such"]}');

const of = (operation: string, url: string, status = 200, body?: unknown): Answer => ({
  operation,
  url,
  status,
  ...(body !== undefined && { body }),
});

async function loadGone(daemon: TestDaemon): Promise<void> {
  const archive = join(daemon.dir, 'gone.tar');
  makeBusyboxArchive(archive, { tag: 'gone:latest' });
  await daemon.docker(['load', '-q', '-i', archive]);
}

/** They answer for a registry, and are asked where there is one. */
export const OF_REGISTRIES: readonly string[] = [
  'GET /images/search',
  'POST /auth',
  'GET /distribution/{name}/json',
];

export const ANSWERS: readonly Answer[] = [
  of('GET /version', '/version'),
  of('GET /info', '/info'),
  of('GET /events', '/events?since=1&until=NOW'),
  of('GET /containers/json', '/containers/json?all=1&size=1'),
  of('POST /containers/create', '/containers/create', 201, {
    Image: 'busybox',
    Cmd: ['true'],
    HostConfig: { NetworkMode: 'none' },
  }),
  of('GET /containers/{id}/json', '/containers/c1/json?size=1'),
  of('GET /containers/{id}/json', '/containers/r1/json'),
  of('GET /containers/{id}/top', '/containers/r1/top'),
  of('GET /containers/{id}/stats', '/containers/r1/stats?stream=false&one-shot=true'),
  of('GET /containers/{id}/changes', '/containers/c1/changes'),
  of('POST /containers/{id}/update', '/containers/r1/update', 200, {
    Memory: 64 * 1024 * 1024,
    MemorySwap: -1,
  }),
  of('POST /containers/{id}/wait', '/containers/c1/wait'),
  of('POST /containers/prune', `/containers/prune?filters=${NOTHING}`),
  of('POST /containers/{id}/exec', '/containers/r1/exec', 201, { Cmd: ['true'] }),
  of('POST /commit', '/commit?container=c1&repo=committed', 201),
  of('GET /system/df', '/system/df?verbose=1'),
  of('GET /exec/{id}/json', '/exec/EXEC/json'),
  of('GET /images/json', '/images/json'),
  of('GET /images/{name}/json', '/images/busybox/json'),
  of('GET /images/{name}/history', '/images/busybox/history'),
  { ...of('DELETE /images/{name}', '/images/gone'), before: loadGone },
  of('POST /images/prune', `/images/prune?filters=${NOTHING}`),
  of('GET /volumes', '/volumes'),
  of('POST /volumes/create', '/volumes/create', 201, { Name: 'v2', Labels: { a: 'b' } }),
  of('GET /volumes/{name}', '/volumes/v1'),
  of('POST /volumes/prune', `/volumes/prune?filters=${NOTHING}`),
  of('GET /networks', '/networks'),
  of('GET /networks/{id}', '/networks/none'),
  of('POST /networks/prune', '/networks/prune'),
  of('POST /build/prune', '/build/prune'),
  of('GET /networks/{id}', '/networks/nope', 404),
  of('GET /containers/{id}/json', '/containers/nope/json', 404),
  of('GET /volumes/{name}', '/volumes/nope', 404),
  of('POST /containers/{id}/exec', '/containers/c1/exec', 409, { Cmd: ['true'] }),
  of('POST /containers/{id}/kill', '/containers/c1/kill', 409),
];
