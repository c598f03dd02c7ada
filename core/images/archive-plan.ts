/** Which images an archive holds, and which of its files make each: OCI layout first, else Docker's manifest.json. */
import { createReadStream } from 'node:fs';
import {
  hostPlatform,
  type Platform,
  platformOf,
  platformRank,
  platformText,
} from '../../registry/client/platform.ts';
import { compressionOf } from '../archive/compression.ts';
import type { ArchiveFiles } from './archive-files.ts';
import type { StagedBlob } from './content.ts';
import { digestHex, isDigest, requireSame } from './digest.ts';
import { badImage, isObject, parseJson } from './image-config.ts';
import { MEDIA_TYPES } from './manifest.ts';

export interface PlannedImage {
  readonly config: StagedBlob;
  /** Bottom first. */
  readonly layers: readonly { readonly file: StagedBlob; readonly mediaType: string }[];
  /** Absent in Docker's form, which has no manifest of the registry's kind. */
  readonly manifest?: StagedBlob;
  /** As the archive spells them. */
  readonly names: readonly string[];
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly platform?: { readonly os?: string; readonly architecture?: string; readonly variant?: string };
  readonly annotations: Readonly<Record<string, unknown>>;
}

const NAME_ANNOTATIONS = ['io.containerd.image.name', 'org.opencontainers.image.ref.name'];
const MAX_DEPTH = 4;

/** Errors: InvalidArgument. */
export async function planImages(
  files: ArchiveFiles,
  platform = hostPlatform(),
): Promise<readonly PlannedImage[]> {
  const docker = files.get('manifest.json') ? await dockerImages(files) : [];
  if (!files.get('index.json')) {
    if (docker.length === 0)
      throw badImage('the archive has neither index.json nor manifest.json with an image');
    return docker;
  }
  const images = await ociImages(files, platform);
  // Docker since 25 writes both; the names in manifest.json are the ones its user gave.
  return images.map((image) => {
    const same = docker.filter(({ config }) => config.digest === image.config.digest);
    return { ...image, names: unique([...image.names, ...same.flatMap(({ names }) => names)]) };
  });
}

async function dockerImages(files: ArchiveFiles): Promise<readonly PlannedImage[]> {
  const rows = await document(files, 'manifest.json');
  if (!Array.isArray(rows)) throw badImage('manifest.json is not a list');
  return Promise.all(
    rows.map(async (row: unknown) => {
      if (!isObject(row) || typeof row.Config !== 'string' || !isTexts(row.Layers)) {
        throw badImage('an entry of manifest.json lacks Config or Layers');
      }
      return {
        config: files.need(row.Config),
        layers: await Promise.all(row.Layers.map((name) => dockerLayer(files.need(name)))),
        names: isTexts(row.RepoTags) ? unique(row.RepoTags) : [],
      };
    }),
  );
}

async function dockerLayer(file: StagedBlob): Promise<PlannedImage['layers'][number]> {
  const [start = Buffer.alloc(0)] = await createReadStream(file.path, { end: 5 }).toArray();
  const compression = compressionOf(start);
  const suffix = compression === 'gzip' || compression === 'zstd' ? `+${compression}` : '';
  return { file, mediaType: MEDIA_TYPES.layer + suffix };
}

async function ociImages(files: ArchiveFiles, platform: Platform): Promise<readonly PlannedImage[]> {
  const listed = descriptors(await document(files, 'index.json'), 'index.json');
  const fitting = listed.filter((one) => fits(one, platform));
  if (fitting.length === 0) throw noPlatform(listed, platform);
  const images = await Promise.all(
    fitting.map((descriptor) => ociImage(files, descriptor, platform, MAX_DEPTH)),
  );
  return mergeSame(images);
}

async function ociImage(
  files: ArchiveFiles,
  descriptor: Descriptor,
  platform: Platform,
  depth: number,
): Promise<PlannedImage> {
  const blob = blobOf(files, descriptor.digest);
  const value = parseJson(descriptor.digest, await files.bytes(blob, descriptor.digest));
  const names = namesOf(descriptor);
  if (isObject(value) && Array.isArray(value.manifests)) {
    if (depth === 0) throw badImage('its indexes nest too deep');
    const listed = descriptors(value, descriptor.digest);
    const offered = listed.filter((one) => fits(one, platform));
    const [chosen] = offered.toSorted((a, b) => rank(a, platform) - rank(b, platform));
    if (!chosen) throw noPlatform(listed, platform);
    const image = await ociImage(files, chosen, platform, depth - 1);
    return { ...image, names: unique([...names, ...image.names]) };
  }
  if (!isObject(value) || !Array.isArray(value.layers)) throw badImage(`${descriptor.digest} is no manifest`);
  return {
    config: blobOf(files, describe(value.config, 'config').digest),
    layers: value.layers
      .map((layer: unknown) => describe(layer, 'layer'))
      .map(({ digest, mediaType }) => ({ file: blobOf(files, digest), mediaType })),
    manifest: blob,
    names,
  };
}

/** One image may be listed once per name. */
function mergeSame(images: readonly PlannedImage[]): readonly PlannedImage[] {
  const byManifest = Map.groupBy(images, ({ manifest, config }) => (manifest ?? config).digest);
  return [...byManifest.values()].flatMap((same) => {
    const [first] = same;
    return first ? [{ ...first, names: unique(same.flatMap(({ names }) => names)) }] : [];
  });
}

/** A blob of the layout, whose bytes must have the digest that is its name. */
function blobOf(files: ArchiveFiles, digest: string): StagedBlob {
  const name = `blobs/sha256/${digestHex(digest)}`;
  const file = files.need(name);
  requireSame(`archive file "${name}"`, file.digest, digest);
  return file;
}

/** A tag alone (`latest`, as skopeo writes) is no name; Docker adds it beside the whole name. */
function namesOf({ annotations }: Descriptor): readonly string[] {
  return NAME_ANNOTATIONS.map((key) => annotations[key]).filter(
    (name): name is string => typeof name === 'string' && /[:/]/.test(name),
  );
}

function fits({ platform, annotations }: Descriptor, wanted: Platform): boolean {
  if (annotations['vnd.docker.reference.type'] !== undefined) return false; // an attestation beside the image
  return !platform || platformRank(platformOf(platform), wanted) !== undefined;
}

/** One that says nothing comes last. */
function rank({ platform }: Descriptor, wanted: Platform): number {
  return (platform && platformRank(platformOf(platform), wanted)) ?? Number.POSITIVE_INFINITY;
}

function noPlatform(listed: readonly Descriptor[], wanted: Platform): Error {
  const have = listed.map(({ platform }) => `${platform?.os ?? '?'}/${platform?.architecture ?? '?'}`);
  return badImage(`it has nothing for ${platformText(wanted)}, only [${have.join(', ')}]`);
}

function descriptors(index: unknown, where: string): readonly Descriptor[] {
  if (!isObject(index) || !Array.isArray(index.manifests)) throw badImage(`${where} has no manifests`);
  return index.manifests.map((value: unknown) => describe(value, 'manifest'));
}

function describe(value: unknown, what: string): Descriptor {
  if (!isObject(value) || !isDigest(value.digest))
    throw badImage(`a ${what} descriptor has no sha256 digest`);
  return {
    digest: value.digest,
    mediaType: typeof value.mediaType === 'string' ? value.mediaType : '',
    annotations: isObject(value.annotations) ? value.annotations : {},
    ...(isObject(value.platform) ? { platform: value.platform } : {}),
  };
}

async function document(files: ArchiveFiles, name: string): Promise<unknown> {
  return parseJson(name, await files.bytes(files.need(name), name));
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)];
}
