/**
 * Layers, each a whole tree with all below it applied, so named by all their diff ids together:
 * `layers/HEX/{fs,layers.json}`; HEX is the digest of what stands in `layers.json`.
 */
import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { syncDirectory, syncFileSystem } from '@gantry/plugin-sdk/system/sync.ts';
import type { Trash } from '@gantry/plugin-sdk/system/trash.ts';
import { copyTree } from './copy.ts';

const DIFF_ID = /^sha256:[0-9a-f]{64}$/;

type Chain = readonly string[];

export class LayerCopies {
  readonly #layers: string;
  readonly #staging: string;
  readonly #none: string;
  readonly #trash: Trash;
  /** Committed layers: hex digits → diff ids, bottom first. */
  readonly #chains = new Map<string, Chain>();

  private constructor(rootDir: string, trash: Trash) {
    this.#layers = join(rootDir, 'layers');
    this.#staging = join(rootDir, 'staging');
    this.#none = join(rootDir, 'none');
    this.#trash = trash;
  }

  static async open(rootDir: string, trash: Trash): Promise<LayerCopies> {
    const copies = new LayerCopies(rootDir, trash);
    for (const path of [copies.#layers, copies.#staging]) await mkdir(path, { recursive: true, mode: 0o700 });
    await mkdir(copies.#none, { recursive: true, mode: 0o755 });
    // Whoever was unpacking there has died with the process.
    for (const name of await readdir(copies.#staging)) trash.take(join(copies.#staging, name));
    for (const hex of await readdir(copies.#layers)) {
      const text = await readFile(join(copies.#layers, hex, 'layers.json'), 'utf8');
      copies.#chains.set(hex, JSON.parse(text) as Chain);
    }
    return copies;
  }

  /** A staging directory that has the parents' content already. Errors: NotFound without them, ResourceExhausted. */
  async prepare(chain: Chain, signal: AbortSignal): Promise<string> {
    const staged = join(this.#staging, hexOf(chain));
    const parent = this.directory(chain.slice(0, -1));
    this.#trash.take(staged);
    const dir = join(staged, 'fs');
    await mkdir(dir, { recursive: true });
    await chmod(dir, 0o755); // the layer's root, when its tar does not describe it
    await writeFile(join(staged, 'layers.json'), JSON.stringify(chain));
    if (chain.length > 1) await copyTree(parent, dir, signal);
    return dir;
  }

  async commit(chain: Chain): Promise<void> {
    const hex = hexOf(chain);
    if (this.#chains.has(hex)) return;
    const staged = join(this.#staging, hex);
    if (!existsSync(staged)) {
      const message = `commit layer: no staging of ${chain.at(-1)}`;
      throw new HostError('NotFound', 'LAYER_NOT_PREPARED', message);
    }
    await syncFileSystem(staged);
    await rename(staged, join(this.#layers, hex));
    await syncDirectory(this.#layers);
    this.#chains.set(hex, chain);
  }

  has(chain: Chain): boolean {
    return this.#chains.has(hexOf(chain));
  }

  remove(chain: Chain): void {
    const hex = hexOf(chain);
    this.#chains.delete(hex);
    this.#trash.take(join(this.#layers, hex));
    this.#trash.take(join(this.#staging, hex));
  }

  list(): readonly Chain[] {
    return [...this.#chains.values()];
  }

  /** The tree of all `chain` together; an empty one for no layers. Errors: NotFound. */
  directory(chain: Chain): string {
    if (chain.length === 0) return this.#none;
    const hex = hexOf(chain);
    if (this.#chains.has(hex)) return join(this.#layers, hex, 'fs');
    const missing = chain.filter((_, at) => !this.has(chain.slice(0, at + 1)));
    throw new HostError('NotFound', 'LAYER_NOT_FOUND', `stack layers: no layer ${missing.join(', ')}`, {
      details: { layers: missing },
    });
  }

  /** Owner and mode of what a container's `/` shows. */
  rootStat(chain: Chain) {
    return statSync(this.directory(chain));
  }
}

/** Errors: InvalidArgument. */
function hexOf(chain: Chain): string {
  const wrong = chain.find((id) => !DIFF_ID.test(id)) ?? (chain.length === 0 ? '' : undefined);
  if (wrong !== undefined)
    throw new HostError('InvalidArgument', 'DIFF_ID_INVALID', `"${wrong}" is not a diff id`);
  return createHash('sha256').update(JSON.stringify(chain)).digest('hex');
}
