/** Manifests and indexes, Docker's and OCI's, as far as a client has to read them. */
import { createHash } from 'node:crypto';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { badAnswer } from './failure.ts';
import { type Platform, platformOf, platformRank, platformText } from './platform.ts';

export const MANIFEST_TYPES = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
] as const;
export const INDEX_TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
] as const;

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

/** A document as it came: its digest is of exactly these bytes. */
export interface ManifestDocument {
  readonly mediaType: string;
  readonly digest: string;
  readonly bytes: Buffer;
}

export interface Manifest {
  readonly config: Descriptor;
  /** Bottom first. */
  readonly layers: readonly Descriptor[];
}

export interface IndexEntry extends Descriptor {
  /** Absent where the index does not say. */
  readonly platform: Platform | undefined;
}

const DIGEST = /^sha256:[0-9a-f]{64}$/;

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** By what it holds, since some registries send no media type or another one. */
export function isIndex({ bytes }: ManifestDocument): boolean {
  return Array.isArray(parse(bytes).manifests);
}

/** Errors: Unknown for what is no manifest, NotImplemented for a kind that is not understood. */
export function parseManifest({ bytes, digest }: ManifestDocument): Manifest {
  const value = parse(bytes);
  if (value.schemaVersion === 1) {
    throw new HostError(
      'NotImplemented',
      'MANIFEST_SCHEMA_1',
      `manifest ${digest}: schema 1 is of before 2016 and not supported`,
      { hint: 'push the image again with a newer client' },
    );
  }
  if (!Array.isArray(value.layers)) throw badAnswer(`manifest ${digest}`, 'it has no layers');
  return {
    config: descriptor(value.config, digest),
    layers: value.layers.map((layer: unknown) => descriptor(layer, digest)),
  };
}

export function parseIndex({ bytes, digest }: ManifestDocument): readonly IndexEntry[] {
  const { manifests } = parse(bytes);
  if (!Array.isArray(manifests)) throw badAnswer(`index ${digest}`, 'it has no manifests');
  return manifests.map((value: unknown) => {
    const { platform } = value as { platform?: unknown };
    return {
      ...descriptor(value, digest),
      platform: typeof platform === 'object' && platform !== null ? platformOf(platform) : undefined,
    };
  });
}

/** The entry that serves `wanted` best. Errors: NotFound, in the words that Docker has for it. */
export function choosePlatform(entries: readonly IndexEntry[], wanted: Platform): IndexEntry {
  const ranked = entries.flatMap((entry) => {
    const rank = entry.platform && platformRank(entry.platform, wanted);
    return rank === undefined ? [] : [{ entry, rank }];
  });
  const [best] = ranked.toSorted((a, b) => a.rank - b.rank);
  if (best) return best.entry;
  const offered = entries.flatMap(({ platform }) => (platform ? [platformText(platform)] : []));
  throw new HostError(
    'NotFound',
    'PLATFORM_NOT_FOUND',
    `no matching manifest for ${platformText(wanted)} in the manifest list entries`,
    { details: { offered }, ...(offered.length > 0 && { hint: `there is ${offered.join(', ')}` }) },
  );
}

function descriptor(value: unknown, of: string): Descriptor {
  const { mediaType, digest, size } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof digest !== 'string' || !DIGEST.test(digest))
    throw badAnswer(`manifest ${of}`, 'a descriptor has no sha256 digest');
  if (!Number.isSafeInteger(size) || (size as number) < 0)
    throw badAnswer(`manifest ${of}`, `${digest} has no size`);
  return {
    mediaType: typeof mediaType === 'string' ? mediaType : '',
    digest,
    sizeBytes: size as number,
  };
}

function parse(bytes: Buffer): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw badAnswer('manifest', 'it is not JSON');
  }
  if (typeof value !== 'object' || value === null) throw badAnswer('manifest', 'it is not an object');
  return value as Readonly<Record<string, unknown>>;
}
