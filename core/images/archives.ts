/** What the image controller asks of archives: taken in whole, verified, with their layers in the snapshot driver. */
import type { Readable } from 'node:stream';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { ImageArchives, LoadRequest, UnpackedImage, UsedContent } from '../controllers/image.ts';
import type { ImageRecord } from '../store/record-types.ts';
import { importArchive } from './archive-import.ts';
import { type LoadedImage, type LoadProgress, loadArchive } from './archive-load.ts';
import { type CommitOptions, commitImage } from './commit-image.ts';
import type { ContentStore, StagedBlob } from './content.ts';
import type { LayerStore } from './layer-store.ts';
import { ContentLease } from './lease.ts';

export class Archives implements ImageArchives {
  readonly #content: ContentStore;
  readonly #layers: LayerStore;

  constructor(content: ContentStore, layers: LayerStore) {
    this.#content = content;
    this.#layers = layers;
  }

  lease(): ContentLease {
    return new ContentLease(this.#content, this.#layers);
  }

  async load(
    archive: Readable,
    { platform, report }: Pick<LoadRequest, 'platform' | 'report'>,
    lease: ContentLease,
    signal: AbortSignal,
  ) {
    const onProgress = ({ diffId: digest, ...rest }: LoadProgress) =>
      report({ digest, state: 'extracting', ...rest });
    return (await loadArchive(archive, { lease, signal, platform, onProgress })).map(toUnpacked);
  }

  async trim(): Promise<void> {
    await this.#content.partials.trim({ all: true });
  }

  async import(
    archive: Readable,
    options: { changes: readonly string[]; message: string },
    lease: ContentLease,
    signal: AbortSignal,
  ) {
    const { changes, message } = options;
    const now = new Date();
    return toUnpacked(await importArchive(archive, { lease, signal, changes, message, names: [], now }));
  }

  async stage(source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<StagedBlob> {
    try {
      return await this.#content.stage(source, signal);
    } catch (error) {
      throw asDiskFull(error);
    }
  }

  async commit(options: CommitOptions, lease: ContentLease, signal: AbortSignal) {
    try {
      const { names, record } = toUnpacked(await commitImage(options, lease, signal));
      return { names, record: { ...record, parent: options.base.id } };
    } catch (error) {
      throw asDiskFull(error);
    }
  }

  async collect(used: UsedContent, signal: AbortSignal): Promise<void> {
    await this.#layers.collect(used.layer, signal);
    await this.#content.collect(used.blob);
  }

  async isUnpacked({ layers }: ImageRecord, signal: AbortSignal): Promise<boolean> {
    for (let at = 1; at <= layers.length; at++)
      if (!(await this.#layers.has(layers.slice(0, at), signal))) return false;
    return true;
  }

  async unpack({ layers, blobs, names, id }: ImageRecord, signal: AbortSignal): Promise<void> {
    await using session = this.#layers.session();
    for (const [at, digest] of blobs.entries()) {
      if (!(await this.#content.has(digest))) {
        const message = `unpack image ${names[0] ?? id}: its layer ${digest} is not kept any more`;
        // Not a NotFound: the docker command takes that for a missing image and pulls.
        throw new HostError('FailedPrecondition', 'IMAGE_CONTENT_LOST', message, {
          hint: 'load or pull the image again',
        });
      }
      await session.ensure(layers.slice(0, at + 1), this.#content.path(digest), { signal });
    }
    session.keep();
  }
}

function asDiskFull(error: unknown): unknown {
  if (!['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')) return error;
  return new HostError('ResourceExhausted', 'DISK_FULL', 'write image: no space left on device');
}

export function toUnpacked({ id, config, manifestDigest, layers, names }: LoadedImage): UnpackedImage {
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
      layerSizes: layers.map((layer) => layer.tarBytes ?? null),
      sizeBytes: layers.reduce((sum, layer) => sum + layer.sizeBytes, 0),
      createdAt: config.created ?? '0001-01-01T00:00:00Z',
      architecture: config.architecture,
      os: config.os,
      config: defaults,
      history: (config.history ?? []) as readonly Readonly<Record<string, unknown>>[],
      ...(config.author && { author: config.author }),
      ...(config.comment && { comment: config.comment }),
    },
  };
}
