/**
 * Local volumes: `<root>/<name>/_data`, with `options.json` beside it when something is to be mounted there. The
 * directory is the only state, so the data stays whatever becomes of the daemon. Mount ids are counted in files, since
 * a file system with options is mounted for the first of them and taken down after the last.
 */
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { VolumeDriver, VolumeView } from '@gantry/plugin-sdk/contracts/volume.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { isMountPoint, unmountAll } from '@gantry/plugin-sdk/system/mount.ts';
import { mountOptions } from './mount.ts';
import { type MountOptions, parseOptions } from './options.ts';

const VALID_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

export class LocalVolumes implements VolumeDriver {
  readonly #root: string;
  readonly #state: string;

  private constructor(root: string, state: string) {
    this.#root = root;
    this.#state = state;
  }

  /** `root` lasts; `state` holds the mount ids of this boot. */
  static async open(root: string, state: string): Promise<LocalVolumes> {
    await mkdir(root, { recursive: true, mode: 0o701 });
    await mkdir(state, { recursive: true, mode: 0o700 });
    for (const left of await readdir(root)) {
      if (left.startsWith('.')) await rm(path.join(root, left), { recursive: true, force: true });
    }
    return new LocalVolumes(root, state);
  }

  async create({
    name,
    options,
  }: {
    name: string;
    options: Readonly<Record<string, string>> | null;
  }): Promise<void> {
    checkName(name);
    const mounted = parseOptions(options);
    const dir = path.join(this.#root, name);
    if (await exists(dir)) return;
    // Whole or not at all: the name appears by a rename.
    const staging = path.join(this.#root, `.${name}.new`);
    await rm(staging, { recursive: true, force: true });
    await mkdir(path.join(staging, '_data'), { recursive: true, mode: 0o755 });
    if (mounted) await writeFile(path.join(staging, 'options.json'), JSON.stringify(mounted));
    await rename(staging, dir).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  }

  async restore(volume: { name: string; options: Readonly<Record<string, string>> | null }): Promise<void> {
    await this.create(volume);
  }

  async remove({ name }: { name: string }): Promise<void> {
    const dir = await this.#require(name);
    if ((await this.#mountIds(name)).length > 0 && isMountPoint(path.join(dir, '_data'))) {
      throw new HostError('Conflict', 'VOLUME_IN_USE', `remove ${name}: it is mounted`);
    }
    await unmountAll(path.join(dir, '_data'));
    const doomed = path.join(this.#root, `.${name}.removed`);
    await rm(doomed, { recursive: true, force: true });
    await rename(dir, doomed);
    await rm(doomed, { recursive: true, force: true });
    await rm(path.join(this.#state, name), { recursive: true, force: true });
  }

  async mount({ name, mountId }: { name: string; mountId: string }): Promise<{ mountpoint: string }> {
    const dir = await this.#require(name);
    const mountpoint = path.join(dir, '_data');
    const options = await optionsOf(dir);
    if (!options) return { mountpoint };
    if (!isMountPoint(mountpoint)) await mountOptions(mountpoint, options);
    await mkdir(path.join(this.#state, name), { recursive: true });
    await writeFile(path.join(this.#state, name, mountId), '');
    return { mountpoint };
  }

  async unmount({ name, mountId }: { name: string; mountId: string }): Promise<void> {
    checkName(name);
    await rm(path.join(this.#state, name, path.basename(mountId)), { force: true });
    if ((await this.#mountIds(name)).length > 0) return;
    const dir = path.join(this.#root, name);
    if (await optionsOf(dir)) await unmountAll(path.join(dir, '_data'));
  }

  async path({ name }: { name: string }): Promise<{ mountpoint: string }> {
    return { mountpoint: path.join(await this.#require(name), '_data') };
  }

  async get({ name }: { name: string }): Promise<VolumeView | undefined> {
    if (!VALID_NAME.test(name)) return undefined;
    return this.#view(name);
  }

  async list(): Promise<readonly VolumeView[]> {
    const names = (await readdir(this.#root)).filter((name) => VALID_NAME.test(name));
    return names.map((name) => ({ name, mountpoint: path.join(this.#root, name, '_data') }));
  }

  async capabilities(): Promise<{ scope: 'local' }> {
    return { scope: 'local' };
  }

  async #view(name: string): Promise<VolumeView | undefined> {
    const found = await stat(path.join(this.#root, name)).catch(() => undefined);
    if (!found) return undefined;
    return {
      name,
      mountpoint: path.join(this.#root, name, '_data'),
      createdAt: new Date(found.birthtimeMs || found.ctimeMs).toISOString(),
    };
  }

  async #require(name: string): Promise<string> {
    checkName(name);
    const dir = path.join(this.#root, name);
    if (await exists(dir)) return dir;
    throw new HostError('NotFound', 'VOLUME_NOT_FOUND', `no such volume: ${name}`);
  }

  #mountIds(name: string): Promise<readonly string[]> {
    return readdir(path.join(this.#state, name)).catch(() => []);
  }
}

function checkName(name: string): void {
  if (VALID_NAME.test(name) && name.length > 1 && name.length <= 255) return;
  throw new HostError(
    'InvalidArgument',
    'INVALID_VOLUME_NAME',
    `"${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed`,
    { hint: 'to pass a host directory, use an absolute path' },
  );
}

async function optionsOf(dir: string): Promise<MountOptions | undefined> {
  const text = await readFile(path.join(dir, 'options.json'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as MountOptions);
}

function exists(at: string): Promise<boolean> {
  return stat(at).then(
    () => true,
    () => false,
  );
}
