/**
 * Local volumes: `<root>/<name>/_data`, with `options.json` beside it when something is to be mounted there. The
 * directory is the only state, so the data stays whatever becomes of the daemon. Mount ids are counted in files, since
 * a file system with options is mounted for the first of them and taken down after the last. The calls that make, rename
 * and look up directories are synchronous: each takes some microseconds, less than a way to the thread pool.
 */

import { randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import type { VolumeDriver, VolumeView } from '@gantry/plugin-sdk/contracts/volume.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { isMountPoint, unmountAll } from '@gantry/plugin-sdk/system/mount.ts';
import { mountOptions } from './mount.ts';
import { type MountOptions, parseOptions } from './options.ts';

/** As Docker's; longer ones are no file names. */
const VALID_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,254}$/;

export class LocalVolumes implements VolumeDriver {
  readonly #root: string;
  readonly #state: string;

  private constructor(root: string, state: string) {
    this.#root = root;
    this.#state = state;
  }

  /** `root` lasts; `state` holds the mount ids of this boot. */
  static open(root: string, state: string): LocalVolumes {
    mkdirSync(root, { recursive: true, mode: 0o701 });
    mkdirSync(state, { recursive: true, mode: 0o700 });
    const volumes = new LocalVolumes(root, state);
    for (const left of readdirSync(root)) if (left.startsWith('.')) volumes.#discard(path.join(root, left));
    return volumes;
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
    if (existsSync(dir)) return;
    // Whole or not at all: the name appears by a rename.
    const draft = path.join(this.#root, `.${randomUUID()}.new`);
    mkdirSync(draft, { mode: 0o701 });
    mkdirSync(path.join(draft, '_data'), { mode: 0o755 });
    if (mounted) writeFileSync(path.join(draft, 'options.json'), JSON.stringify(mounted), { flush: true });
    renameSync(draft, dir);
  }

  async restore(volume: { name: string; options: Readonly<Record<string, string>> | null }): Promise<void> {
    await this.create(volume);
  }

  async remove({ name }: { name: string }): Promise<void> {
    const dir = this.#require(name);
    const data = path.join(dir, '_data');
    if (optionsOf(dir) && isMountPoint(data)) {
      if (this.#mountIds(name).length > 0)
        throw new HostError('Conflict', 'VOLUME_IN_USE', `remove ${name}: it is mounted`);
      await unmountAll(data);
    }
    const doomed = path.join(this.#root, `.${randomUUID()}.removed`);
    renameSync(dir, doomed);
    if (optionsOf(doomed)) rmSync(path.join(this.#state, name), { recursive: true, force: true });
    this.#discard(doomed);
  }

  async mount({ name, mountId }: { name: string; mountId: string }): Promise<{ mountpoint: string }> {
    const dir = this.#require(name);
    const mountpoint = path.join(dir, '_data');
    const options = optionsOf(dir);
    if (!options) return { mountpoint };
    if (!isMountPoint(mountpoint)) await mountOptions(mountpoint, options);
    mkdirSync(path.join(this.#state, name), { recursive: true });
    writeFileSync(path.join(this.#state, name, mountId), '');
    return { mountpoint };
  }

  async unmount({ name, mountId }: { name: string; mountId: string }): Promise<void> {
    checkName(name);
    rmSync(path.join(this.#state, name, path.basename(mountId)), { force: true });
    if (this.#mountIds(name).length > 0) return;
    const dir = path.join(this.#root, name);
    if (optionsOf(dir)) await unmountAll(path.join(dir, '_data'));
  }

  async path({ name }: { name: string }): Promise<{ mountpoint: string }> {
    return { mountpoint: path.join(this.#require(name), '_data') };
  }

  async get({ name }: { name: string }): Promise<VolumeView | undefined> {
    if (!VALID_NAME.test(name)) return undefined;
    const found = statSync(path.join(this.#root, name), { throwIfNoEntry: false });
    if (!found) return undefined;
    return {
      name,
      mountpoint: path.join(this.#root, name, '_data'),
      createdAt: new Date(found.birthtimeMs || found.ctimeMs).toISOString(),
    };
  }

  async list(): Promise<readonly VolumeView[]> {
    const names = readdirSync(this.#root).filter((name) => VALID_NAME.test(name));
    return names.map((name) => ({ name, mountpoint: `${this.#root}/${name}/_data` }));
  }

  async capabilities(): Promise<{ scope: 'local' }> {
    return { scope: 'local' };
  }

  #require(name: string): string {
    checkName(name);
    const dir = path.join(this.#root, name);
    if (existsSync(dir)) return dir;
    throw new HostError('NotFound', 'VOLUME_NOT_FOUND', `no such volume: ${name}`);
  }

  #mountIds(name: string): readonly string[] {
    const dir = path.join(this.#state, name);
    return existsSync(dir) ? readdirSync(dir) : [];
  }

  /** In the background, however much it is; what is left at the end of the daemon goes at its next start. */
  #discard(dir: string): void {
    void removeEmpty(dir)
      .catch(() => rm(dir, { recursive: true, force: true }))
      .catch(() => {});
  }
}

/** The short way for a volume that nothing was written to. */
async function removeEmpty(dir: string): Promise<void> {
  await rmdir(path.join(dir, '_data'));
  await rmdir(dir);
}

function checkName(name: string): void {
  if (VALID_NAME.test(name)) return;
  throw new HostError(
    'InvalidArgument',
    'INVALID_VOLUME_NAME',
    `"${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed`,
    { hint: 'to pass a host directory, use an absolute path' },
  );
}

function optionsOf(dir: string): MountOptions | undefined {
  const file = path.join(dir, 'options.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as MountOptions) : undefined;
}
