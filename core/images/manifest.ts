/** The image manifest for what came without one, always the same bytes for the same files. */
import type { ManifestDocument } from '../../registry/client/manifest.ts';
import { sha256 } from './digest.ts';
import { isObject, parseJson } from './image-config.ts';

export const MEDIA_TYPES = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
} as const;

interface LayerBlob {
  readonly mediaType: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

export function buildManifest(configBytes: Buffer, layers: readonly LayerBlob[]): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.manifest,
      config: { mediaType: MEDIA_TYPES.config, digest: sha256(configBytes), size: configBytes.length },
      layers: layers.map(({ mediaType, digest, sizeBytes }) => ({ mediaType, digest, size: sizeBytes })),
    }),
  );
}

/** A stored manifest with its media type, which an OCI manifest need not say itself. */
export function readManifest(digest: string, bytes: Buffer): ManifestDocument {
  const value = parseJson(digest, bytes);
  const mediaType =
    isObject(value) && typeof value.mediaType === 'string' ? value.mediaType : MEDIA_TYPES.manifest;
  return { digest, bytes, mediaType };
}
