/**
 * The layers a snapshot driver holds, filled from verified blobs. Loads run in sessions: what a session that fails has
 * unpacked goes away again, unless another session counts on it by then.
 */
import type { SnapshotDriver } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import { requireSame } from './digest.ts';
import type { ExtractCall, LayerExtractor } from './extract/extractor.ts';
import { Holds } from './holds.ts';

export interface LayerSession {
  /**
   * Makes the layer `layers` ends with (diff ids, bottom first) from the file `blobPath`, a tar, plain or compressed;
   * its parents are there already. Errors: InvalidArgument when the tar has another diff id, or is malformed.
   */
  ensure(layers: readonly string[], blobPath: string, call: ExtractCall): Promise<'made' | 'present'>;
  /** Bytes of a layer's tar, uncompressed, of one that was made since the daemon's start. */
  sizeOf(diffId: string): number | undefined;
  /** Whether a layer can be made before those below it; false while that is not known. */
  areIndependent(): boolean;
  /** What was ensured stays: an image record names it now. */
  keep(): void;
  /** Ends the session; without `keep` before, takes away what it made. */
  [Symbol.asyncDispose](): Promise<void>;
}

const FOREVER = new AbortController().signal;

export class LayerStore {
  readonly #snapshots: SnapshotDriver;
  readonly #extractor: LayerExtractor;
  readonly #everyDriver: (signal: AbortSignal) => Promise<readonly SnapshotDriver[]>;
  /** By diff id: two loads of one layer take turns. */
  readonly #holds = new Holds();
  /** Layers that only open sessions, and no image, want so far. */
  readonly #fresh = new Set<string>();
  readonly #sizes = new Map<string, number>();
  #areIndependent = false;

  /** `everyDriver`: those that may still have layers, though images are unpacked into `snapshots` now; itself among them. */
  constructor(
    snapshots: SnapshotDriver,
    extractor: LayerExtractor,
    everyDriver: (signal: AbortSignal) => Promise<readonly SnapshotDriver[]> = async () => [snapshots],
  ) {
    this.#snapshots = snapshots;
    this.#extractor = extractor;
    this.#everyDriver = everyDriver;
  }

  async has(layers: readonly string[], signal: AbortSignal): Promise<boolean> {
    return (await this.#snapshots.hasLayer({ layers }, { signal })).present;
  }

  session(): LayerSession {
    const held = new Map<string, readonly string[]>();
    return {
      ensure: (layers, blobPath, call) => {
        const id = layers.at(-1) ?? '';
        if (!held.has(id)) void this.#holds.hold(id);
        held.set(id, layers);
        return this.#holds.inTurn(id, () => this.#ensure(layers, blobPath, call));
      },
      areIndependent: () => this.#areIndependent,
      sizeOf: (diffId) => this.#sizes.get(diffId),
      keep: () => {
        for (const id of held.keys()) this.#fresh.delete(id);
      },
      [Symbol.asyncDispose]: async () => {
        // Top first: a driver may refuse to remove what has a child.
        for (const [id, layers] of [...held].reverse())
          await this.#holds.inTurn(id, () => this.#release(id, layers));
        held.clear();
      },
    };
  }

  /** Removes every layer that no session counts on and that is not used, `isUsed` told anew for each. */
  async collect(isUsed: (layer: readonly string[]) => boolean, signal: AbortSignal): Promise<void> {
    for (const driver of await this.#everyDriver(signal)) {
      for (const layers of await driver.listLayers({}, { signal })) {
        if (isUsed(layers)) continue;
        await this.#holds.removeUnheld(
          layers.at(-1) ?? '',
          () => isUsed(layers),
          () => driver.removeLayer({ layers }, { signal }),
        );
      }
    }
  }

  async #ensure(layers: readonly string[], blobPath: string, call: ExtractCall): Promise<'made' | 'present'> {
    const id = layers.at(-1) ?? '';
    const driverCall = { signal: call.signal ?? FOREVER };
    if ((await this.#snapshots.hasLayer({ layers }, driverCall)).present) return 'present';
    try {
      const { dir, form } = await this.#snapshots.prepareLayer({ layers }, driverCall);
      this.#areIndependent = form === 'overlay';
      const { diffId, sizeBytes } = await this.#extractor.extract({ blobPath, dir, form }, call);
      requireSame('layer', diffId, id);
      this.#sizes.set(id, sizeBytes);
      await this.#snapshots.commitLayer({ layers }, driverCall);
    } catch (error) {
      await this.#snapshots.removeLayer({ layers }, { signal: FOREVER });
      throw error;
    }
    this.#fresh.add(id);
    return 'made';
  }

  async #release(id: string, layers: readonly string[]): Promise<void> {
    if (!this.#holds.release(id) || !this.#fresh.delete(id)) return;
    await this.#snapshots.removeLayer({ layers }, { signal: FOREVER });
  }
}
