/**
 * An image from a registry: its manifest chosen by platform, its layers fetched side by side and unpacked in their order
 * while the later ones still come. Everything is verified before it is used.
 */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import {
  choosePlatform,
  type Descriptor,
  isIndex,
  type ManifestDocument,
  parseIndex,
  parseManifest,
} from '../../registry/client/manifest.ts';
import { type Platform, platformOf, platformRank, platformText } from '../../registry/client/platform.ts';
import type { Repository } from '../../registry/client/repository.ts';
import type { LoadedImage } from './archive-load.ts';
import { asDiskFull } from './disk-full.ts';
import type { Downloads } from './downloads.ts';
import { badImage, type ImageConfig, parseImageConfig } from './image-config.ts';
import { inOrder } from './in-order.ts';
import type { ContentLease } from './lease.ts';
import type { ReportLayer } from './progress.ts';

/** What a name turned out to mean. */
export interface FoundImage {
  /** Of the index, where the name is that of one; else of the manifest. */
  readonly digest: string;
  readonly manifest: ManifestDocument;
  readonly config: { readonly descriptor: Descriptor; readonly bytes: Buffer; readonly parsed: ImageConfig };
  /** Bottom first. */
  readonly layers: readonly Descriptor[];
}

const MAX_INDEXES = 4;

/** `reference`: a tag or a digest. Errors: those of `Repository.manifest`, NotFound for the platform. */
export async function findImage(
  repository: Repository,
  reference: string,
  { platform, isChosen, signal }: { platform: Platform; isChosen: boolean; signal: AbortSignal },
): Promise<FoundImage> {
  const top = await repository.manifest(reference, signal);
  let manifest = top;
  for (let depth = 0; isIndex(manifest); depth++) {
    if (depth === MAX_INDEXES) throw badImage('its indexes nest too deep');
    const { digest } = choosePlatform(parseIndex(manifest), platform);
    manifest = await repository.manifest(digest, signal);
  }
  const { config, layers } = parseManifest(manifest);
  const bytes = await repository.document(config, signal);
  const parsed = parseImageConfig(bytes);
  if (parsed.rootfs.diff_ids.length !== layers.length) {
    throw badImage(
      `it has ${layers.length} layers where its configuration names ${parsed.rootfs.diff_ids.length}`,
    );
  }
  if (isChosen) checkPlatform(parsed, platform, reference);
  return { digest: top.digest, manifest, config: { descriptor: config, bytes, parsed }, layers };
}

/** Errors: InvalidArgument for content that is not what was promised, ResourceExhausted, Unavailable, Canceled. */
export async function fetchImage(
  found: FoundImage,
  parts: {
    readonly repository: Repository;
    readonly downloads: Downloads;
    readonly lease: ContentLease;
    readonly report: ReportLayer;
    readonly signal: AbortSignal;
  },
): Promise<LoadedImage> {
  const { lease, report } = parts;
  const { config, manifest, layers } = found;
  const { content } = lease;
  await lease.holdBlobs([config.descriptor.digest, manifest.digest, ...layers.map(({ digest }) => digest)]);
  for (const { digest } of layers) report({ digest, state: 'awaited' });
  const ended = new AbortController();
  const signal = AbortSignal.any([parts.signal, ended.signal]);
  const fetched = layers.map((layer) => fetchLayer(layer, { ...parts, signal }));
  try {
    for (const one of fetched) one.catch(() => {}); // the first failure is told, in order
    await unpackInOrder(found, fetched, { ...parts, signal });
    for (const { digest } of layers) await content.adopt(digest);
    await content.put(config.bytes, { expected: config.descriptor.digest });
    await content.put(manifest.bytes, { expected: manifest.digest });
    if (layers.length > 0) await content.sync();
  } catch (error) {
    ended.abort(error);
    await Promise.allSettled(fetched);
    throw asDiskFull('pull image', error);
  }
  lease.keep();
  return {
    id: config.descriptor.digest,
    config: config.parsed,
    configBytes: config.bytes,
    manifestDigest: manifest.digest,
    layers: layers.map(({ digest, sizeBytes, mediaType }, at) => {
      const diffId = config.parsed.rootfs.diff_ids[at] ?? '';
      return { diffId, digest, sizeBytes, mediaType, tarBytes: lease.layers.sizeOf(diffId) };
    }),
    names: [],
  };
}

type LayerParts = Parameters<typeof fetchImage>[1];

/** Answers whether it was here already. */
async function fetchLayer(layer: Descriptor, parts: LayerParts): Promise<'known' | 'fetched'> {
  const { repository, downloads, lease, report, signal } = parts;
  if (await lease.content.has(layer.digest)) return 'known';
  await downloads.fetch(repository, layer, { report, signal });
  return 'fetched';
}

async function unpackInOrder(
  { config, layers }: FoundImage,
  fetched: readonly Promise<'known' | 'fetched'>[],
  { lease, report, signal }: LayerParts,
): Promise<void> {
  const diffIds = config.parsed.rootfs.diff_ids;
  // As soon as one has failed, not only when its turn comes.
  const failed = Promise.all(fetched);
  failed.catch(() => {});
  await inOrder(layers, lease.layers.areIndependent, async ({ digest, sizeBytes: totalBytes }, at) => {
    const how = await Promise.race([fetched[at], failed.then(() => fetched[at])]);
    let currentBytes = 0;
    const onRead = (bytes: number) => {
      currentBytes += bytes;
      report({ digest, state: 'extracting', currentBytes, totalBytes });
    };
    const path = await lease.content.located(digest);
    const made = lease.layers.ensure(diffIds.slice(0, at + 1), path, { signal, onRead });
    const tell = (one: 'made' | 'present') =>
      report({ digest, state: how === 'known' && one === 'present' ? 'known' : 'pulled' });
    return { done: made.then(tell) };
  });
}

function checkPlatform(config: ImageConfig, wanted: Platform, reference: string): void {
  const actual = platformOf(config);
  if (platformRank(actual, wanted) !== undefined) return;
  throw new HostError(
    'NotFound',
    'PLATFORM_NOT_FOUND',
    `image with reference ${reference} was found but does not match the specified platform: wanted ${platformText(wanted)}, actual: ${platformText(actual)}`,
  );
}
