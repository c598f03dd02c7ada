/** `docker commit`: an image on top of another, with one layer more or with none. */
import type { ImageRecord } from '../store/record-types.ts';
import type { LoadedImage } from './archive-load.ts';
import type { StagedBlob } from './content.ts';
import { sha256 } from './digest.ts';
import { type ContainerDefaults, type ImageConfig, parseImageConfig } from './image-config.ts';
import type { ContentLease } from './lease.ts';
import { buildManifest, MEDIA_TYPES } from './manifest.ts';

export interface CommitOptions {
  readonly base: ImageRecord;
  /** An uncompressed layer; undefined when nothing was changed. */
  readonly layer: StagedBlob | undefined;
  readonly config: ContainerDefaults;
  readonly author: string;
  readonly comment: string;
  /** What the history says made the layer. */
  readonly createdBy: string;
  readonly now: Date;
}

/** The base's layers are unpacked already. All or nothing, and errors, as `loadArchive`. */
export async function commitImage(
  { base, layer, config: defaults, author, comment, createdBy, now }: CommitOptions,
  lease: ContentLease,
  signal: AbortSignal,
): Promise<LoadedImage> {
  await lease.holdBlobs([base.id, base.manifest, ...base.blobs, ...(layer ? [layer.digest] : [])]);
  const below = parseImageConfig(await lease.content.read(base.id));
  const chain = [...base.layers, ...(layer ? [layer.digest] : [])];
  if (layer) await lease.layers.ensure(chain, layer.path, { signal });
  const step = {
    created: now.toISOString(),
    created_by: createdBy,
    ...(author && { author }),
    ...(comment && { comment }),
    ...(!layer && { empty_layer: true }),
  };
  const { author: _author, comment: _comment, ...kept } = below;
  const config: ImageConfig = {
    ...kept,
    created: now.toISOString(),
    ...(author && { author }),
    ...(comment && { comment }),
    config: defaults,
    rootfs: { type: 'layers', diff_ids: chain },
    history: [...(below.history ?? []), step],
  };
  const configBytes = Buffer.from(JSON.stringify(config));
  const layers = await layersOf(base, layer, lease);
  const manifest = buildManifest(configBytes, layers);
  await lease.holdBlobs([sha256(configBytes), sha256(manifest)]);
  await layer?.commit();
  await lease.content.put(configBytes);
  await lease.content.put(manifest);
  lease.keep();
  return {
    id: sha256(configBytes),
    config,
    configBytes,
    manifestDigest: sha256(manifest),
    layers,
    names: [],
  };
}

/** The base's blobs as its own manifest describes them, since they may be compressed. */
async function layersOf(base: ImageRecord, layer: StagedBlob | undefined, lease: ContentLease) {
  const { layers } = JSON.parse((await lease.content.read(base.manifest)).toString()) as {
    layers: readonly { digest: string; size: number; mediaType: string }[];
  };
  const own = layers.map(({ digest, size, mediaType }, at) => ({
    diffId: base.layers[at] ?? '',
    digest,
    sizeBytes: size,
    mediaType,
    tarBytes: base.layerSizes?.[at] ?? undefined,
  }));
  if (!layer) return own;
  const { digest, sizeBytes } = layer;
  const mediaType = MEDIA_TYPES.layer;
  return [...own, { diffId: digest, digest, sizeBytes, mediaType, tarBytes: sizeBytes }];
}
