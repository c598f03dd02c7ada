/** `docker load`: images from a Docker or OCI archive into the content store and the snapshot driver. */
import type { Platform } from '../../registry/client/platform.ts';
import { ArchiveFiles } from './archive-files.ts';
import { type PlannedImage, planImages } from './archive-plan.ts';
import type { StagedBlob } from './content.ts';
import { sha256 } from './digest.ts';
import { badImage, type ImageConfig, parseImageConfig } from './image-config.ts';
import { inOrder } from './in-order.ts';
import type { LayerSession } from './layer-store.ts';
import type { ContentLease } from './lease.ts';
import { buildManifest } from './manifest.ts';

export interface LoadedLayer {
  readonly diffId: string;
  /** Of the blob as it came, compressed or not. */
  readonly digest: string;
  readonly sizeBytes: number;
  readonly mediaType: string;
  /** Uncompressed; undefined when the layer was there already. */
  readonly tarBytes: number | undefined;
}

export interface LoadedImage {
  /** Digest of the configuration's bytes. */
  readonly id: string;
  readonly config: ImageConfig;
  readonly configBytes: Buffer;
  /** The archive's own manifest, or one made from its files where the archive has none; its blob is in the store. */
  readonly manifestDigest: string;
  readonly layers: readonly LoadedLayer[];
  /** As the archive spells them: `busybox:latest`, `docker.io/library/busybox:latest`; may be empty. */
  readonly names: readonly string[];
}

export interface LoadProgress {
  readonly diffId: string;
  /** Of the blob, `currentBytes` have been unpacked. */
  readonly currentBytes: number;
  readonly totalBytes: number;
}

export interface LoadOptions {
  readonly lease: ContentLease;
  /** This machine's by default. */
  readonly platform?: Platform | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Everything is verified before anything is named: layers by their diff ids while they are unpacked, blobs of an OCI
 * layout by their names. All or nothing: when it throws and the lease is disposed of, neither blobs nor layers of this
 * archive stay that were not there before, except that a disk full at the last step may leave blobs that nothing refers
 * to. Errors: InvalidArgument, ResourceExhausted, Canceled.
 */
export async function loadArchive(
  archive: AsyncIterable<Uint8Array>,
  options: LoadOptions,
): Promise<readonly LoadedImage[]> {
  const files = new ArchiveFiles();
  try {
    await files.read(archive, options.lease.content, options.signal);
    const images: { image: LoadedImage; store: () => Promise<void> }[] = [];
    for (const planned of await planImages(files, options.platform)) {
      const configBytes = await files.bytes(planned.config, 'the configuration');
      images.push(await unpack(planned, configBytes, options));
    }
    for (const { store } of images) await store();
    options.lease.keep();
    return images.map(({ image }) => image);
  } finally {
    await files.discard();
  }
}

async function unpack(planned: PlannedImage, configBytes: Buffer, options: LoadOptions) {
  const config = parseImageConfig(configBytes);
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== planned.layers.length) {
    throw badImage(`it has ${planned.layers.length} layers where its configuration names ${diffIds.length}`);
  }
  const session = options.lease.layers;
  await inOrder(planned.layers, session.areIndependent, async ({ file }, at) => ({
    done: unpackLayer(diffIds.slice(0, at + 1), file, session, options),
  }));
  const layers = planned.layers.map(({ file, mediaType }, at): LoadedLayer => {
    const diffId = diffIds[at] ?? '';
    const { digest, sizeBytes } = file;
    return { diffId, digest, sizeBytes, mediaType, tarBytes: session.sizeOf(diffId) };
  });
  const manifest = planned.manifest ? await planned.manifest.bytes() : buildManifest(configBytes, layers);
  const image: LoadedImage = {
    id: planned.config.digest,
    config,
    configBytes,
    manifestDigest: sha256(manifest),
    layers,
    names: planned.names,
  };
  // The referrer last: a manifest in the store has all that it names.
  const store = async () => {
    const { lease } = options;
    await lease.holdBlobs([image.id, image.manifestDigest, ...layers.map(({ digest }) => digest)]);
    for (const { file } of planned.layers) await file.commit();
    await planned.config.commit();
    await lease.content.put(manifest);
  };
  return { image, store };
}

async function unpackLayer(
  chain: readonly string[],
  file: StagedBlob,
  session: LayerSession,
  { signal, onProgress }: LoadOptions,
): Promise<void> {
  const diffId = chain.at(-1) ?? '';
  const totalBytes = file.sizeBytes;
  let currentBytes = 0;
  const onRead = (bytes: number) => {
    currentBytes += bytes;
    onProgress?.({ diffId, currentBytes, totalBytes });
  };
  await session.ensure(chain, file.path, { signal, onRead });
}
