/**
 * Layers by diff id: `layers/HEX/` holds a committed layer, `staging/HEX/` one being unpacked, and `l/SHORT` links to
 * the former under a name so short that 128 of them fit into mount(2)'s one page of options.
 */
import { close as closeDescriptor, openSync, statSync } from 'node:fs';
import { access, chmod, mkdir, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { syncDirectory, syncFileSystem } from '@gantry/plugin-sdk/system/sync.ts';
import type { Trash } from '@gantry/plugin-sdk/system/trash.ts';

const DIFF_ID = /^sha256:([0-9a-f]{64})$/;
const SHORTEST = 10;
/** Empty directories beside the links, to make up the number that overlay asks for; no hex digits, so no layer's. */
const FILLERS = ['none', 'nothing'];

export class LayerDirectory {
  readonly linkDir: string;
  readonly #layers: string;
  readonly #staging: string;
  readonly #trash: Trash;
  /** Committed layers: hex digits → short name. */
  readonly #shortNames = new Map<string, string>();
  /** The link directory, open: a short path to it for mounts that would not fit otherwise. */
  #descriptor = -1;

  private constructor(rootDir: string, trash: Trash) {
    this.linkDir = join(rootDir, 'l');
    this.#layers = join(rootDir, 'layers');
    this.#staging = join(rootDir, 'staging');
    this.#trash = trash;
  }

  static async open(rootDir: string, trash: Trash): Promise<LayerDirectory> {
    const layers = new LayerDirectory(rootDir, trash);
    for (const path of [layers.linkDir, layers.#layers, layers.#staging]) {
      await mkdir(path, { recursive: true, mode: 0o700 });
    }
    for (const name of FILLERS) await mkdir(join(layers.linkDir, name), { recursive: true });
    // Whoever was unpacking there has died with the process.
    for (const name of await readdir(layers.#staging)) trash.take(join(layers.#staging, name));
    await layers.#readLinks();
    layers.#descriptor = openSync(layers.linkDir, 'r');
    return layers;
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => closeDescriptor(this.#descriptor, () => resolve()));
  }

  /** Path of the link directory through this process's descriptor. */
  get shortLinkDir(): string {
    return `/proc/self/fd/${this.#descriptor}`;
  }

  async prepare(layers: readonly string[]): Promise<string> {
    const dir = join(this.#staging, topHex(layers));
    this.#trash.take(dir);
    await mkdir(dir);
    await chmod(dir, 0o755); // the layer's root, when its tar does not describe it
    return dir;
  }

  async commit(layers: readonly string[]): Promise<void> {
    const hex = topHex(layers);
    if (this.#shortNames.has(hex)) return;
    const staged = join(this.#staging, hex);
    await syncFileSystem(staged).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'ENOENT') throw cause;
      throw new HostError('NotFound', 'LAYER_NOT_PREPARED', `commit layer: no staging of sha256:${hex}`, {
        cause,
      });
    });
    await rename(staged, join(this.#layers, hex));
    await syncDirectory(this.#layers);
    await this.#link(hex);
  }

  has(layers: readonly string[]): boolean {
    return this.#shortNames.has(topHex(layers));
  }

  /** The name goes before the layer, so that a crash between the two leaves a layer that `list` still shows. */
  async remove(layers: readonly string[]): Promise<void> {
    const hex = topHex(layers);
    const short = this.#shortNames.get(hex);
    this.#shortNames.delete(hex);
    if (short !== undefined) await rm(join(this.linkDir, short), { force: true });
    this.#trash.take(join(this.#layers, hex));
    this.#trash.take(join(this.#staging, hex));
  }

  list(): readonly (readonly string[])[] {
    return [...this.#shortNames.keys()].map((hex) => [`sha256:${hex}`]);
  }

  /** Where the layers are, top first as byte strings; one that comes twice counts at its top. */
  directories(layers: readonly string[]): readonly string[] {
    const paths = layers.toReversed().map((layer) => join(this.#layers, topHex([layer])));
    return [...new Set(paths)].map((path) => Buffer.from(path).toString('latin1'));
  }

  /**
   * Short names for a mount, top first as overlay wants them, made up to `atLeast` by empty directories.
   * Errors: NotFound, all missing layers named.
   */
  shortNames(layers: readonly string[], atLeast = 0): readonly string[] {
    const missing = layers.filter((layer) => !this.has([layer]));
    if (missing.length > 0) {
      throw new HostError('NotFound', 'LAYER_NOT_FOUND', `stack layers: no layer ${missing.join(', ')}`, {
        details: { layers: missing },
      });
    }
    // Overlay refuses a directory that comes twice; the higher one hides all of the lower one anyway.
    const names = new Set(layers.toReversed().map((layer) => this.#shortNames.get(topHex([layer])) ?? ''));
    return [...names, ...FILLERS.slice(0, Math.max(0, atLeast - names.size))];
  }

  /** Owner and mode of a layer's root directory, which the container's `/` shows. */
  rootStat(layer: string) {
    return statSync(join(this.#layers, topHex([layer])));
  }

  /** Links are remade for layers whose link a crash kept from being made, and dropped for layers that are gone. */
  async #readLinks(): Promise<void> {
    const committed = new Set(await readdir(this.#layers));
    const links = (await readdir(this.linkDir)).filter((name) => !FILLERS.includes(name));
    for (const short of links) {
      const hex = basename(await readlink(join(this.linkDir, short)));
      if (committed.has(hex)) this.#shortNames.set(hex, short);
      else await rm(join(this.linkDir, short));
    }
    for (const hex of committed) if (!this.#shortNames.has(hex)) await this.#link(hex);
  }

  async #link(hex: string): Promise<void> {
    for (let length = SHORTEST; ; length++) {
      const short = hex.slice(0, length);
      const isFree = await access(join(this.linkDir, short)).then(
        () => false,
        () => true,
      );
      if (!isFree) continue;
      await rm(join(this.linkDir, short), { force: true });
      await symlink(join('..', 'layers', hex), join(this.linkDir, short));
      this.#shortNames.set(hex, short);
      return;
    }
  }
}

/** Hex digits of the last diff id. Errors: InvalidArgument: it becomes part of a path. */
function topHex(layers: readonly string[]): string {
  const top = layers.at(-1) ?? '';
  const hex = DIFF_ID.exec(top)?.[1];
  if (hex === undefined)
    throw new HostError('InvalidArgument', 'DIFF_ID_INVALID', `"${top}" is not a diff id`);
  return hex;
}
