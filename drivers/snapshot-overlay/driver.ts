/**
 * Snapshots: `snapshots/KEY/` with `upper`, `work` and `meta.json`, complete or absent (it is renamed into place). An
 * overlay's mount source is `gantry/KEY`, by which it is found again after a restart.
 */
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { mkdir, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileChange, SnapshotDriver } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { CallContext, HostContext } from '@gantry/plugin-sdk/extension-point.ts';
import { treeUsage } from '@gantry/plugin-sdk/system/held-directory.ts';
import {
  findMount,
  isNotMounted,
  MNT_DETACH,
  MS_RDONLY,
  mount,
  UMOUNT_NOFOLLOW,
  umount2,
} from '@gantry/plugin-sdk/system/mount.ts';
import { syncDirectory } from '@gantry/plugin-sdk/system/sync.ts';
import type { Trash } from '@gantry/plugin-sdk/system/trash.ts';
import { overlayChanges } from './changes.ts';
import type { LayerDirectory } from './layers.ts';
import { kernelDefaults, overlayOptions } from './options.ts';

interface Meta {
  readonly layers: readonly string[];
  readonly volatile: boolean;
  readonly readOnly: boolean;
}

const KEY = /^[a-z0-9-]{1,128}$/;

export class OverlayDriver implements SnapshotDriver {
  readonly #layers: LayerDirectory;
  readonly #trash: Trash;
  readonly #host: HostContext;
  readonly #snapshots: string;
  readonly #defaults = kernelDefaults();

  private constructor(host: HostContext, layers: LayerDirectory, trash: Trash) {
    this.#host = host;
    this.#layers = layers;
    this.#trash = trash;
    this.#snapshots = join(host.rootDir, 'snapshots');
  }

  static async open(host: HostContext, layers: LayerDirectory, trash: Trash): Promise<OverlayDriver> {
    const driver = new OverlayDriver(host, layers, trash);
    await mkdir(driver.#snapshots, { recursive: true, mode: 0o700 });
    for (const name of await readdir(driver.#snapshots)) driver.#dropUnfinished(name);
    return driver;
  }

  async prepareLayer({ layers }: { layers: readonly string[] }) {
    return { dir: await this.#layers.prepare(layers), form: 'overlay' as const };
  }

  async commitLayer({ layers }: { layers: readonly string[] }): Promise<void> {
    await this.#layers.commit(layers);
  }

  async hasLayer({ layers }: { layers: readonly string[] }) {
    return { present: this.#layers.has(layers) };
  }

  async removeLayer({ layers }: { layers: readonly string[] }): Promise<void> {
    await this.#layers.remove(layers);
  }

  async listLayers(): Promise<readonly (readonly string[])[]> {
    return this.#layers.list();
  }

  async prepare(snapshot: {
    key: string;
    layers: readonly string[];
    volatile: boolean;
    readOnly?: boolean;
  }): Promise<void> {
    const { key, layers, volatile, readOnly = false } = snapshot;
    const meta: Meta = { layers, volatile, readOnly };
    const found = this.#find(key);
    if (found) {
      if (JSON.stringify(found) === JSON.stringify(meta)) return;
      throw new HostError(
        'AlreadyExists',
        'SNAPSHOT_EXISTS',
        `prepare snapshot "${key}": it exists with other layers`,
      );
    }
    this.#layers.shortNames(layers);
    const draft = join(this.#snapshots, `${key}.new`);
    this.#trash.take(draft);
    this.#fill(draft, meta);
    if (!volatile) await syncDraft(draft);
    renameSync(draft, this.#directory(key));
    if (!volatile) await syncDirectory(this.#snapshots);
  }

  async mount({ key, target }: { key: string; target: string }): Promise<void> {
    const meta = this.#get(key);
    if (isMountedAnywhere(key) && findMount(realpathSync(target))?.source === sourceOf(key)) return;
    const directory = this.#directory(key);
    if (meta.volatile) forgetVolatileMount(directory);
    const stack = {
      // Overlay wants two directories to be read-only on, one to write over.
      lower: this.#layers.shortNames(meta.layers, meta.readOnly ? 2 : 1),
      ...(meta.readOnly ? {} : { upperdir: join(directory, 'upper'), workdir: join(directory, 'work') }),
      volatile: meta.volatile && !meta.readOnly,
    };
    const options = overlayOptions(stack, [this.#layers.linkDir, this.#layers.shortLinkDir], this.#defaults);
    try {
      mount(sourceOf(key), target, 'overlay', meta.readOnly ? MS_RDONLY : 0, options);
    } catch (cause) {
      throw new HostError('FailedPrecondition', 'SNAPSHOT_MOUNT', `mount snapshot "${key}" at "${target}"`, {
        cause,
      });
    }
  }

  async unmount({ key, target }: { key: string; target: string }): Promise<void> {
    try {
      // A volatile overlay writes nothing out when it goes; any other may for a long time, so off the loop.
      if (this.#find(key)?.volatile) umount2(target, UMOUNT_NOFOLLOW);
      else await umount2.async(target, UMOUNT_NOFOLLOW);
    } catch (error) {
      if (isNotMounted(error)) return;
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
      this.#host.log.warn({ key, target }, 'snapshot is in use: detached');
      await umount2.async(target, UMOUNT_NOFOLLOW | MNT_DETACH);
    }
  }

  async remove({ key }: { key: string }): Promise<void> {
    if (!this.#find(key)) return;
    if (isMountedAnywhere(key)) {
      throw new HostError('Conflict', 'SNAPSHOT_MOUNTED', `remove snapshot "${key}": it is mounted`);
    }
    this.#trash.take(this.#directory(key));
  }

  async list(): Promise<readonly string[]> {
    return (await readdir(this.#snapshots)).filter((name) => KEY.test(name));
  }

  async changes({ key }: { key: string }, { signal }: CallContext): Promise<readonly FileChange[]> {
    const { readOnly, layers } = this.#get(key);
    if (readOnly) return [];
    return overlayChanges(join(this.#directory(key), 'upper'), this.#layers.directories(layers), signal);
  }

  async usage({ key }: { key: string }, { signal }: CallContext) {
    const { readOnly } = this.#get(key);
    return readOnly ? { sizeBytes: 0, inodes: 0 } : treeUsage(join(this.#directory(key), 'upper'), signal);
  }

  #directory(key: string): string {
    if (KEY.test(key)) return join(this.#snapshots, key);
    throw new HostError('InvalidArgument', 'SNAPSHOT_KEY_INVALID', `snapshot key "${key}" is not [a-z0-9-]+`);
  }

  #find(key: string): Meta | undefined {
    try {
      return JSON.parse(readFileSync(join(this.#directory(key), 'meta.json'), 'utf8')) as Meta;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  #get(key: string): Meta {
    const found = this.#find(key);
    if (found) return found;
    throw new HostError('NotFound', 'SNAPSHOT_NOT_FOUND', `no snapshot "${key}"`);
  }

  /** Half made when the daemon went down, or a volatile one whose record a power cut took. */
  #dropUnfinished(name: string): void {
    try {
      if (KEY.test(name) && this.#find(name)) return;
    } catch (error) {
      this.#host.log.warn({ key: name, error }, 'snapshot is lost');
    }
    this.#trash.take(join(this.#snapshots, name));
  }

  /** A handful of quick calls on the way of every container's start, so none goes through the pool. */
  #fill(draft: string, meta: Meta): void {
    mkdirSync(draft, { mode: 0o700 });
    writeFileSync(join(draft, 'meta.json'), JSON.stringify(meta));
    if (meta.readOnly) return;
    const upper = join(draft, 'upper');
    mkdirSync(upper);
    mkdirSync(join(draft, 'work'));
    const top = meta.layers.at(-1);
    const { mode, uid, gid } =
      top === undefined ? { mode: 0o755, uid: 0, gid: 0 } : this.#layers.rootStat(top);
    chownSync(upper, uid, gid);
    chmodSync(upper, mode & 0o7777);
  }
}

/** A search of the raw text, since most often the answer is no. */
function isMountedAnywhere(key: string): boolean {
  return readFileSync('/proc/self/mountinfo', 'latin1').includes(` overlay ${sourceOf(key)} `);
}

function sourceOf(key: string): string {
  return `gantry/${key}`;
}

/** The kernel refuses a second mount of a volatile upper, as its content may be lost: here that was agreed to. */
function forgetVolatileMount(directory: string): void {
  rmSync(join(directory, 'work', 'work', 'incompat', 'volatile'), { recursive: true, force: true });
}

async function syncDraft(draft: string): Promise<void> {
  await using meta = await open(join(draft, 'meta.json'));
  await meta.sync();
  await syncDirectory(draft);
}
