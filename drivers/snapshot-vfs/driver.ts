/**
 * Snapshots: `snapshots/KEY/` with `fs` and `meta.json`, complete or absent (it is renamed into place). A mount is a bind
 * mount of `fs`, or of the layer itself for a read-only one.
 */
import { readFileSync, realpathSync, renameSync } from 'node:fs';
import { chmod, chown, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { FileChange, SnapshotDriver } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { CallContext, HostContext } from '@gantry/plugin-sdk/extension-point.ts';
import {
  bind,
  isNotMounted,
  MNT_DETACH,
  type MountEntry,
  mounts,
  UMOUNT_NOFOLLOW,
  umount2,
} from '@gantry/plugin-sdk/system/mount.ts';
import { syncDirectory, syncFileSystem } from '@gantry/plugin-sdk/system/sync.ts';
import type { Trash } from '@gantry/plugin-sdk/system/trash.ts';
import { compareTrees } from './compare.ts';
import { copyTree } from './copy.ts';
import type { LayerCopies } from './layers.ts';

interface Meta {
  readonly layers: readonly string[];
  readonly volatile: boolean;
  readonly readOnly: boolean;
}

const KEY = /^[a-z0-9-]{1,128}$/;

export class VfsDriver implements SnapshotDriver {
  readonly #layers: LayerCopies;
  readonly #trash: Trash;
  readonly #host: HostContext;
  readonly #snapshots: string;

  private constructor(host: HostContext, layers: LayerCopies, trash: Trash) {
    this.#host = host;
    this.#layers = layers;
    this.#trash = trash;
    this.#snapshots = join(host.rootDir, 'snapshots');
  }

  static async open(host: HostContext, layers: LayerCopies, trash: Trash): Promise<VfsDriver> {
    const driver = new VfsDriver(host, layers, trash);
    await mkdir(driver.#snapshots, { recursive: true, mode: 0o700 });
    for (const name of await readdir(driver.#snapshots)) driver.#dropUnfinished(name);
    return driver;
  }

  async prepareLayer({ layers }: { layers: readonly string[] }, { signal }: CallContext) {
    return { dir: await this.#layers.prepare(layers, signal), form: 'apply' as const };
  }

  async commitLayer({ layers }: { layers: readonly string[] }): Promise<void> {
    await this.#layers.commit(layers);
  }

  async hasLayer({ layers }: { layers: readonly string[] }) {
    return { present: this.#layers.has(layers) };
  }

  async removeLayer({ layers }: { layers: readonly string[] }): Promise<void> {
    this.#layers.remove(layers);
  }

  async listLayers(): Promise<readonly (readonly string[])[]> {
    return this.#layers.list();
  }

  async prepare(
    snapshot: { key: string; layers: readonly string[]; volatile: boolean; readOnly?: boolean },
    { signal }: CallContext,
  ): Promise<void> {
    const { key, layers, volatile, readOnly = false } = snapshot;
    const meta: Meta = { layers, volatile, readOnly };
    const found = this.#find(key);
    if (found) {
      if (JSON.stringify(found) === JSON.stringify(meta)) return;
      const message = `prepare snapshot "${key}": it exists with other layers`;
      throw new HostError('AlreadyExists', 'SNAPSHOT_EXISTS', message);
    }
    const source = this.#layers.directory(layers);
    const draft = join(this.#snapshots, `${key}.new`);
    this.#trash.take(draft);
    try {
      await mkdir(join(draft, 'fs'), { recursive: true, mode: 0o755 });
      await writeFile(join(draft, 'meta.json'), JSON.stringify(meta));
      if (!readOnly) await this.#fill(join(draft, 'fs'), source, layers, signal);
      if (!volatile) await syncFileSystem(draft);
      renameSync(draft, this.#directory(key));
    } catch (error) {
      this.#trash.take(draft);
      throw error;
    }
    if (!volatile) await syncDirectory(this.#snapshots);
  }

  async mount({ key, target }: { key: string; target: string }): Promise<void> {
    const { readOnly } = this.#get(key);
    const source = this.#shown(key);
    const all = mounts();
    const at = realpathSync(target);
    const there = all.findLast((entry) => entry.target === at);
    if (there && isAt(there, placeOf(source, all))) return;
    try {
      bind(source, target, { recursive: false, readonly: readOnly });
    } catch (cause) {
      const message = `mount snapshot "${key}" at "${target}"`;
      throw new HostError('FailedPrecondition', 'SNAPSHOT_MOUNT', message, { cause });
    }
  }

  async unmount({ key, target }: { key: string; target: string }): Promise<void> {
    try {
      await umount2.async(target, UMOUNT_NOFOLLOW);
    } catch (error) {
      if (isNotMounted(error)) return;
      if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
      this.#host.log.warn({ key, target }, 'snapshot is in use: detached');
      await umount2.async(target, UMOUNT_NOFOLLOW | MNT_DETACH);
    }
  }

  async remove({ key }: { key: string }): Promise<void> {
    const found = this.#find(key);
    if (!found) return;
    // A read-only one is a view of a layer, which others may be showing too.
    const all = mounts();
    const place = found.readOnly ? undefined : placeOf(this.#shown(key), all);
    if (place && all.some((entry) => isAt(entry, place))) {
      throw new HostError('Conflict', 'SNAPSHOT_MOUNTED', `remove snapshot "${key}": it is mounted`);
    }
    this.#trash.take(this.#directory(key));
  }

  async list(): Promise<readonly string[]> {
    return (await readdir(this.#snapshots)).filter((name) => KEY.test(name));
  }

  async changes({ key }: { key: string }, { signal }: CallContext): Promise<readonly FileChange[]> {
    const found = await this.#compare(key, signal);
    return found.map(({ path, kind }) => ({ path, kind }));
  }

  /** Of what differs from the layers, as the other drivers count, although the copy takes up more. */
  async usage({ key }: { key: string }, { signal }: CallContext) {
    const found = await this.#compare(key, signal);
    const held = found.filter(({ kind }) => kind !== 'deleted');
    return { sizeBytes: held.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0), inodes: held.length };
  }

  async #compare(key: string, signal: AbortSignal) {
    const { readOnly, layers } = this.#get(key);
    if (readOnly) return [];
    return compareTrees(join(this.#directory(key), 'fs'), this.#layers.directory(layers), signal);
  }

  /** What a mount of the snapshot shows. */
  #shown(key: string): string {
    const { readOnly, layers } = this.#get(key);
    return readOnly ? this.#layers.directory(layers) : join(this.#directory(key), 'fs');
  }

  async #fill(to: string, from: string, layers: readonly string[], signal: AbortSignal): Promise<void> {
    await copyTree(from, to, signal);
    const { mode, uid, gid } = this.#layers.rootStat(layers);
    await chown(to, uid, gid);
    await chmod(to, mode & 0o7777);
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
}

interface Place {
  readonly source: string;
  readonly root: string;
}

/** Where the kernel says that a directory is: in which file system, and where from the root of that. */
function placeOf(path: string, all: readonly MountEntry[]): Place {
  const real = realpathSync(path);
  const holder = all
    .filter(({ target }) => real === target || real.startsWith(target === '/' ? '/' : `${target}/`))
    .reduce((best, one) => (one.target.length >= best.target.length ? one : best));
  return { source: holder.source, root: join(holder.root, relative(holder.target, real)) };
}

function isAt(entry: MountEntry, { source, root }: Place): boolean {
  return entry.source === source && entry.root === root;
}
