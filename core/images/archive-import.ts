/** `docker import`: a root file system's tar as an image of one layer. */
import { decompress } from '../archive/compression.ts';
import type { LoadedImage, LoadOptions } from './archive-load.ts';
import { applyChanges } from './config-changes.ts';
import { sha256 } from './digest.ts';
import { hostArchitecture, type ImageConfig } from './image-config.ts';
import { buildManifest, MEDIA_TYPES } from './manifest.ts';

export interface ImportOptions extends LoadOptions {
  /** Dockerfile lines, e.g. `CMD ["sh"]`. */
  readonly changes: readonly string[];
  readonly message?: string | undefined;
  /** In the image specification's words; this machine's by default. */
  readonly architecture?: string | undefined;
  readonly names: readonly string[];
  /** Time of creation. */
  readonly now: Date;
}

/** The layer is kept uncompressed, so that its blob has its diff id. All or nothing, and errors, as `loadArchive`. */
export async function importArchive(
  rootfs: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<LoadedImage> {
  const { lease, signal, onProgress } = options;
  const defaults = applyChanges({}, options.changes);
  const layer = await lease.content.stage(decompress(rootfs), signal);
  try {
    let currentBytes = 0;
    const onRead = (bytes: number) => {
      currentBytes += bytes;
      onProgress?.({ diffId: layer.digest, currentBytes, totalBytes: layer.sizeBytes });
    };
    await lease.layers.ensure([layer.digest], layer.path, { signal, onRead });
    const config: ImageConfig = {
      created: options.now.toISOString(),
      architecture: options.architecture ?? hostArchitecture(),
      os: 'linux',
      config: defaults,
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
      history: [{ created: options.now.toISOString(), comment: options.message || 'imported from a tar' }],
    };
    const configBytes = Buffer.from(JSON.stringify(config));
    const layers = [
      {
        diffId: layer.digest,
        digest: layer.digest,
        sizeBytes: layer.sizeBytes,
        mediaType: MEDIA_TYPES.layer,
        tarBytes: layer.sizeBytes,
      },
    ];
    const manifest = buildManifest(configBytes, layers);
    await lease.holdBlobs([layer.digest, sha256(configBytes), sha256(manifest)]);
    await layer.commit();
    await lease.content.put(configBytes);
    await lease.content.put(manifest);
    lease.keep();
    return {
      id: sha256(configBytes),
      config,
      configBytes,
      manifestDigest: sha256(manifest),
      layers,
      names: options.names,
    };
  } finally {
    await layer.discard();
  }
}
