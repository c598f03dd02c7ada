/**
 * Local volumes: a volume is the directory `<root>/<name>`, and that is the only state, so the data stays whatever becomes
 * of the daemon. Docker has a `_data` in it, which would be a second directory to make and remove. What is to be mounted
 * there is in `<root>/.options/<name>.json`. Mount ids are counted in files, since a file system with options is mounted
 * for the first of them and taken down after the last. The calls that make, rename and look up directories are
 * synchronous: each takes some microseconds, less than a way to the thread pool.
 */

import { randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rm,
  rmdirSync,
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
  readonly #options: string;
  /** Names that a file in `#options` is for, with or without a volume: most have none, and need not look. */
  readonly #withOptions: Set<string>;

  private constructor(root: string, state: string) {
    this.#root = root;
    this.#state = state;
    // Names of volumes begin with a letter or digit. A directory of its own for what is doomed: the kernel lets one call
    // at a time change a directory, and making volumes must not wait.
    this.#trash = path.join(root, '.trash');
    this.#options = path.join(root, '.options');
    for (const dir of [this.#trash, this.#options]) mkdirSync(dir, { recursive: true, mode: 0o700 });
    this.#withOptions = new Set(readdirSync(this.#options).map((file) => path.basename(file, '.json')));
  }

  /** `root` lasts; `state` holds the mount ids of this boot. */
  static open(root: string, state: string): LocalVolumes {
    mkdirSync(root, { recursive: true, mode: 0o701 });
    mkdirSync(state, { recursive: true, mode: 0o700 });
    const volumes = new LocalVolumes(root, state);
    for (const left of readdirSync(volumes.#trash))
      rm(path.join(volumes.#trash, left), { recursive: true, force: true }, () => {});
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
    const dir = `${this.#root}/${name}`;
    // First the options, last the directory: a crash between the two leaves no volume.
    if ((mounted || this.#withOptions.has(name)) && !existsSync(dir)) this.#writeOptions(name, mounted);
    makeDir(dir, 0o755);
  }

  async restore(volume: { name: string; options: Readonly<Record<string, string>> | null }): Promise<void> {
    await this.create(volume);
  }

  async remove({ name }: { name: string }): Promise<void> {
    checkName(name);
    const dir = `${this.#root}/${name}`;
    const hasOptions = this.#withOptions.has(name);
    if (hasOptions && isMountPoint(dir)) {
      if (this.#mountIds(name).length > 0)
        throw new HostError('Conflict', 'VOLUME_IN_USE', `remove ${name}: it is mounted`);
      await unmountAll(dir);
    }
    const wasThere = removeEmpty(dir) || this.#discard(dir);
    // Also when a crash has taken the directory alone.
    if (hasOptions) {
      rmSync(path.join(this.#state, name), { recursive: true, force: true });
      this.#writeOptions(name, undefined);
    }
    if (!wasThere) throw absent(name);
  }

  /**
   * Frees the name at once; what is in the directory, however much, goes in the background or at the next start. False
   * when there is none.
   */
  #discard(dir: string): boolean {
    const doomed = `${this.#trash}/${randomUUID()}`;
    try {
      renameSync(dir, doomed);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false;
      throw error;
    }
    rm(doomed, { recursive: true, force: true }, () => {});
    return true;
  }

  async mount({ name, mountId }: { name: string; mountId: string }): Promise<{ mountpoint: string }> {
    const mountpoint = this.#require(name);
    const options = this.#optionsOf(name);
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
    if (this.#withOptions.has(name)) await unmountAll(path.join(this.#root, name));
  }

  async path({ name }: { name: string }): Promise<{ mountpoint: string }> {
    return { mountpoint: this.#require(name) };
  }

  async get({ name }: { name: string }): Promise<VolumeView | undefined> {
    if (!VALID_NAME.test(name)) return undefined;
    const mountpoint = `${this.#root}/${name}`;
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
    return names.map((name) => ({ name, mountpoint: `${this.#root}/${name}` }));
  }

  async capabilities(): Promise<{ scope: 'local' }> {
    return { scope: 'local' };
  }

  #require(name: string): string {
    checkName(name);
    const dir = `${this.#root}/${name}`;
    if (existsSync(dir)) return dir;
    throw absent(name);
  }

  #optionsOf(name: string): MountOptions | undefined {
    if (!this.#withOptions.has(name)) return undefined;
    return JSON.parse(readFileSync(path.join(this.#options, `${name}.json`), 'utf8')) as MountOptions;
  }

  /** Or takes them away, also what a crash left of a volume that never was. */
  #writeOptions(name: string, options: MountOptions | undefined): void {
    const file = path.join(this.#options, `${name}.json`);
    if (options) writeFileSync(file, JSON.stringify(options), { flush: true });
    else rmSync(file, { force: true });
    if (options) this.#withOptions.add(name);
    else this.#withOptions.delete(name);
  }

  #mountIds(name: string): readonly string[] {
    const dir = path.join(this.#state, name);
    return existsSync(dir) ? readdirSync(dir) : [];
  }
}

/** False when something is in it, or it is none. */
function removeEmpty(dir: string): boolean {
  try {
    rmdirSync(dir);
    return true;
  } catch {
    return false;
  }
}

/** Harmless when it is there already. */
function makeDir(dir: string, mode: number): void {
  try {
    mkdirSync(dir, { mode });
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
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
