/**
 * The layers a snapshot driver holds, filled from verified blobs. Loads run in sessions: what a session that fails has
 * unpacked goes away again, unless another session counts on it by then.
 */
import type { SnapshotDriver } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import { requireSame } from './digest.ts';
import type { ExtractCall, LayerExtractor } from './extract/extractor.ts';

export interface LayerSession {
  /**
   * Makes the layer `layers` ends with (diff ids, bottom first) from the file `blobPath`, a tar, plain or compressed;
   * its parents are there already. Errors: InvalidArgument when the tar has another diff id, or is malformed.
   */
  ensure(layers: readonly string[], blobPath: string, call: ExtractCall): Promise<'made' | 'present'>;
  /** What was ensured stays: an image record names it now. */
  keep(): void;
  /** Ends the session; without `keep` before, takes away what it made. */
  [Symbol.asyncDispose](): Promise<void>;
}

const FOREVER = new AbortController().signal;

export class LayerStore {
  readonly #snapshots: SnapshotDriver;
  readonly #extractor: LayerExtractor;
  /** Work under way by diff id: two loads of one layer take turns. */
  readonly #turns = new Map<string, Promise<unknown>>();
  /** How many open sessions count on a layer. */
  readonly #holds = new Map<string, number>();
  /** Layers that only open sessions, and no image, want so far. */
  readonly #fresh = new Set<string>();

  constructor(snapshots: SnapshotDriver, extractor: LayerExtractor) {
    this.#snapshots = snapshots;
    this.#extractor = extractor;
  }

  session(): LayerSession {
    const held = new Map<string, readonly string[]>();
    return {
      ensure: (layers, blobPath, call) => {
        const id = layers.at(-1) ?? '';
        if (!held.has(id)) this.#holds.set(id, (this.#holds.get(id) ?? 0) + 1);
        held.set(id, layers);
        return this.#inTurn(id, () => this.#ensure(layers, blobPath, call));
      },
      keep: () => {
        for (const id of held.keys()) this.#fresh.delete(id);
      },
      [Symbol.asyncDispose]: async () => {
        // Top first: a driver may refuse to remove what has a child.
        for (const [id, layers] of [...held].reverse())
          await this.#inTurn(id, () => this.#release(id, layers));
        held.clear();
      },
    };
  }

  async #ensure(layers: readonly string[], blobPath: string, call: ExtractCall): Promise<'made' | 'present'> {
    const id = layers.at(-1) ?? '';
    const driverCall = { signal: call.signal ?? FOREVER };
    if ((await this.#snapshots.hasLayer({ layers }, driverCall)).present) return 'present';
    try {
      const { dir, form } = await this.#snapshots.prepareLayer({ layers }, driverCall);
      const { diffId } = await this.#extractor.extract({ blobPath, dir, form }, call);
      requireSame('layer', diffId, id);
      await this.#snapshots.commitLayer({ layers }, driverCall);
    } catch (error) {
      await this.#snapshots.removeLayer({ layers }, { signal: FOREVER });
      throw error;
    }
    this.#fresh.add(id);
    return 'made';
  }

  async #release(id: string, layers: readonly string[]): Promise<void> {
    const left = (this.#holds.get(id) ?? 1) - 1;
    if (left > 0) this.#holds.set(id, left);
    else this.#holds.delete(id);
    if (left > 0 || !this.#fresh.delete(id)) return;
    await this.#snapshots.removeLayer({ layers }, { signal: FOREVER });
  }

  async #inTurn<T>(id: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#turns.get(id) ?? Promise.resolve()).then(work, work);
    this.#turns.set(id, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(id) === turn) this.#turns.delete(id);
    }
  }
}
