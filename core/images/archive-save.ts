/**
 * `docker save`: an OCI image layout with Docker's manifest.json beside it, which every reader of either kind takes. The
 * blobs are written as they are in the store.
 */
import { BLOCK, byteString, encodeHeader, padding, TAR_END } from '../archive/tar-header.ts';
import type { ImageRecord } from '../store/record-types.ts';
import type { ContentStore } from './content.ts';
import { digestHex } from './digest.ts';
import { readManifest } from './manifest.ts';

export interface SavedImage {
  readonly image: ImageRecord;
  /** Full names that it gets in the archive: `docker.io/library/busybox:latest`. */
  readonly names: readonly string[];
  /** The same as people type them. */
  readonly tags: readonly string[];
}

const PATH = 'blobs/sha256/';

/** The caller keeps the images from being removed meanwhile. Errors: NotFound for a blob that is lost. */
export async function* saveArchive(
  saved: readonly SavedImage[],
  content: ContentStore,
): AsyncGenerator<Buffer, void> {
  for (const directory of ['blobs/', PATH]) yield header(directory, 0, 'directory');
  const digests = saved.flatMap(({ image }) => [image.id, image.manifest, ...image.blobs]);
  for (const digest of new Set(digests)) yield* blob(digest, content);
  const index = await Promise.all(saved.map((one) => descriptors(one, content)));
  yield* file('index.json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: index.flat(),
  });
  yield* file('manifest.json', saved.map(dockerEntry));
  yield* file('oci-layout', { imageLayoutVersion: '1.0.0' });
  yield TAR_END;
}

async function* blob(digest: string, content: ContentStore): AsyncGenerator<Buffer, void> {
  const sizeBytes = await content.size(digest);
  yield header(`${PATH}${digestHex(digest)}`, sizeBytes);
  for await (const chunk of await content.open(digest)) yield chunk as Buffer;
  if (sizeBytes % BLOCK !== 0) yield padding(sizeBytes);
}

/** One a name: a reader finds an image by its annotation. */
async function descriptors({ image, names }: SavedImage, content: ContentStore): Promise<readonly object[]> {
  const { mediaType, bytes } = readManifest(image.manifest, await content.read(image.manifest));
  const { architecture, os } = image;
  const plain = { mediaType, digest: image.manifest, size: bytes.length, platform: { architecture, os } };
  if (names.length === 0) return [plain];
  return names.map((name) => ({
    ...plain,
    annotations: {
      'io.containerd.image.name': name,
      'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1),
    },
  }));
}

function dockerEntry({ image, tags }: SavedImage): object {
  return {
    Config: `${PATH}${digestHex(image.id)}`,
    RepoTags: tags.length > 0 ? tags : null,
    Layers: image.blobs.map((digest) => `${PATH}${digestHex(digest)}`),
  };
}

function* file(name: string, value: unknown): Generator<Buffer, void> {
  const bytes = Buffer.from(JSON.stringify(value));
  yield Buffer.concat([header(name, bytes.length), bytes, padding(bytes.length)]);
}

function header(name: string, sizeBytes: number, kind: 'file' | 'directory' = 'file'): Buffer {
  return encodeHeader({ name: byteString(name), kind, sizeBytes, mode: kind === 'file' ? 0o644 : 0o755 });
}
