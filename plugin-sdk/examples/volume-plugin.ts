/**
 * A whole volume plugin: each volume is a directory. Docker and Gantry find it by its socket, and call it by the
 * socket's name: `node volume-plugin.ts /run/docker/plugins/sample.sock /srv/volumes`. With `json-rpc` behind that, and a
 * socket in /run/gantry/drivers, it speaks Gantry's own protocol.
 */
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type VolumeDriver, volumePoint } from '@gantry/plugin-sdk/contracts/volume.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { serve } from '@gantry/plugin-sdk/serve.ts';

const [socket = '', root = '', wire = 'docker'] = process.argv.slice(2);

function directoryOf(name: string): string {
  if (/^[\w.-]+$/.test(name) && !name.startsWith('.')) return join(root, name);
  throw new HostError('InvalidArgument', 'BAD_NAME', `"${name}" cannot be a directory's name`);
}

async function find(name: string) {
  const mountpoint = directoryOf(name);
  if (await stat(mountpoint).catch(() => undefined)) return { name, mountpoint };
  throw new HostError('NotFound', 'NO_SUCH_VOLUME', `volume "${name}": no such volume`);
}

/** What was made or removed survives a power cut only once its parent is written out. */
async function lasting(change: Promise<unknown>): Promise<void> {
  await change;
  await using parent = await open(root);
  await parent.sync();
}

const driver: VolumeDriver = {
  create: ({ name }) => lasting(mkdir(directoryOf(name), { recursive: true })),
  remove: ({ name }) => lasting(rm(directoryOf(name), { recursive: true, force: true })),
  mount: ({ name }) => find(name),
  unmount: async () => {},
  path: ({ name }) => find(name),
  get: ({ name }) => find(name),
  list: async () => (await readdir(root)).map((name) => ({ name, mountpoint: join(root, name) })),
  capabilities: async () => ({ scope: 'local' }),
};

await mkdir(root, { recursive: true });
const served = await serve(driver, {
  point: volumePoint,
  wire: wire === 'json-rpc' ? wire : 'docker',
  socket,
});
process.once('SIGTERM', () => void served.close());
