/**
 * Local volumes: `<root>/<name>/_data`, with `options.json` beside it when something is to be mounted there. The
 * directory is the only state, so the data stays whatever becomes of the daemon; a volume is there when its `_data` is,
 * which is made last. Mount ids are counted in files, since a file system with options is mounted for the first of them
 * and taken down after the last. The calls that make, rename and look up directories are synchronous: each takes some
 * microseconds, less than a way to the thread pool.
 */

import { randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rm,
  rmdir,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
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
  readonly #trash: string;

  private constructor(root: string, state: string, trash: string) {
    this.#root = root;
    this.#state = state;
    this.#trash = trash;
  }

  /** `root` lasts; `state` holds the mount ids of this boot. */
  static open(root: string, state: string): LocalVolumes {
    mkdirSync(root, { recursive: true, mode: 0o701 });
    mkdirSync(state, { recursive: true, mode: 0o700 });
    // A directory of its own: the kernel lets one call at a time change a directory, and making volumes must not wait.
    const trash = path.join(root, '.trash');
    mkdirSync(trash, { recursive: true, mode: 0o700 });
    for (const left of readdirSync(trash)) empty(path.join(trash, left));
    return new LocalVolumes(root, state, trash);
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
    const dir = `${this.#root}/${name}`;
    if (!makeDir(dir, 0o701)) {
      if (existsSync(`${dir}/_data`)) return;
      // A crash left the directory alone, or with the options of a volume that never was. Anything else is somebody's.
      rmSync(`${dir}/options.json`, { force: true });
    }
    if (mounted) writeFileSync(`${dir}/options.json`, JSON.stringify(mounted), { flush: true });
    mkdirSync(`${dir}/_data`, { mode: 0o755 });
  }

  async restore(volume: { name: string; options: Readonly<Record<string, string>> | null }): Promise<void> {
    await this.create(volume);
  }

  async remove({ name }: { name: string }): Promise<void> {
    checkName(name);
    const dir = `${this.#root}/${name}`;
    const options = optionsOf(dir);
    if (options && isMountPoint(`${dir}/_data`)) {
      if (this.#mountIds(name).length > 0)
        throw new HostError('Conflict', 'VOLUME_IN_USE', `remove ${name}: it is mounted`);
      await unmountAll(`${dir}/_data`);
    }
    if (options) rmSync(path.join(this.#state, name), { recursive: true, force: true });
    // The name is free at once; the rest, which takes the kernel longer than all before, is done in the background.
    const doomed = `${this.#trash}/${randomUUID()}`;
    try {
      renameSync(dir, doomed);
    } catch (error) {
      throw hasCode(error, 'ENOENT') ? absent(name) : error;
    }
    empty(doomed);
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
    const mountpoint = `${this.#root}/${name}/_data`;
    const found = statSync(mountpoint, { throwIfNoEntry: false });
    if (!found) return undefined;
    return {
      name,
      mountpoint,
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
    const dir = `${this.#root}/${name}`;
    if (existsSync(`${dir}/_data`)) return dir;
    throw absent(name);
  }

  #mountIds(name: string): readonly string[] {
    const dir = path.join(this.#state, name);
    return existsSync(dir) ? readdirSync(dir) : [];
  }
}

/** However much it is; what is left at the end of the daemon goes at its next start. */
function empty(doomed: string): void {
  const removeAll = () => rm(doomed, { recursive: true, force: true }, () => {});
  // The short way for a volume that nothing was written to.
  rmdir(`${doomed}/_data`, (error) => (error ? removeAll() : rmdir(doomed, (error) => error && removeAll())));
}

/** False when it is there already. */
function makeDir(dir: string, mode: number): boolean {
  try {
    mkdirSync(dir, { mode });
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

function absent(name: string): HostError {
  return new HostError('NotFound', 'VOLUME_NOT_FOUND', `no such volume: ${name}`);
}

function hasCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code;
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
