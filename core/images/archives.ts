/** What the image controller asks of archives: taken in whole, verified, with their layers in the snapshot driver. */
import type { Readable } from 'node:stream';
import type { SnapshotDriver } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import type { ImageArchives, UnpackedImage } from '../controllers/image.ts';
import type { ImageRecord } from '../store/record-types.ts';
import { importArchive } from './archive-import.ts';
import { type LoadedImage, loadArchive } from './archive-load.ts';
import type { ContentStore } from './content.ts';
import type { LayerStore } from './layer-store.ts';

export class Archives implements ImageArchives {
  readonly #content: ContentStore;
  readonly #layers: LayerStore;
  readonly #snapshots: SnapshotDriver;

  constructor(content: ContentStore, layers: LayerStore, snapshots: SnapshotDriver) {
    this.#content = content;
    this.#layers = layers;
    this.#snapshots = snapshots;
  }

  async load(archive: Readable, _onProgress: (text: string) => void, signal: AbortSignal) {
    const images = await loadArchive(archive, { content: this.#content, layers: this.#layers, signal });
    return images.map(toUnpacked);
  }

  async import(
    archive: Readable,
    options: { changes: readonly string[]; message: string },
    signal: AbortSignal,
  ) {
    const { changes, message } = options;
    return toUnpacked(
      await importArchive(archive, {
        content: this.#content,
        layers: this.#layers,
        signal,
        changes,
        message,
        names: [],
        now: new Date(),
      }),
    );
  }

  async collect(kept: readonly ImageRecord[], signal: AbortSignal): Promise<void> {
    const layers = new Set(kept.flatMap((image) => image.layers));
    for (const layer of await this.#snapshots.listLayers({}, { signal })) {
      if (!layers.has(layer)) await this.#snapshots.removeLayer({ layers: [layer] }, { signal });
    }
    const blobs = new Set(kept.flatMap((image) => [image.id, image.manifest, ...image.blobs]));
    for (const digest of await this.#content.list())
      if (!blobs.has(digest)) await this.#content.remove(digest);
  }
}

function toUnpacked({ id, config, manifestDigest, layers, names }: LoadedImage): UnpackedImage {
  const defaults = Object.fromEntries(
    Object.entries(config.config ?? {}).filter(([, value]) => value !== null),
  );
  return {
    names,
    record: {
      id,
      manifest: manifestDigest,
      layers: config.rootfs.diff_ids,
      blobs: layers.map((layer) => layer.digest),
      sizeBytes: layers.reduce((sum, layer) => sum + layer.sizeBytes, 0),
      createdAt: config.created ?? '0001-01-01T00:00:00Z',
      architecture: config.architecture,
      os: config.os,
      config: defaults,
      history: (config.history ?? []) as readonly Readonly<Record<string, unknown>>[],
      ...(config.author && { author: config.author }),
    },
  };
}
