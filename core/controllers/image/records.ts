/** What image records become when images arrive, get names or lose them. Pure: the caller writes them. */
import type { ImageRecord } from '../../store/record-types.ts';
import type { UnpackedImage } from '../image.ts';
import { normalizeName } from '../image-name.ts';

/** New images, and the older ones whose names they take. */
export function withImages(
  all: readonly ImageRecord[],
  images: readonly UnpackedImage[],
  now: string,
): readonly ImageRecord[] {
  const changed = new Map<string, ImageRecord>();
  const current = () => [...all.filter(({ id }) => !changed.has(id)), ...changed.values()];
  for (const { record, names, digests = [] } of images) {
    const before = current().find(({ id }) => id === record.id);
    const sized = withSizes(record, current());
    const image: ImageRecord = {
      ...(before?.parent !== undefined && { parent: before.parent }),
      ...sized,
      names: before?.names ?? [],
      digests: union(before?.digests ?? [], digests),
      loadedAt: now,
    };
    changed.set(image.id, image);
    for (const name of names.map(normalizeName)) {
      const named = current().find(({ id }) => id === image.id) ?? image;
      for (const one of withName(current(), named, name)) changed.set(one.id, one);
    }
  }
  return [...changed.values()];
}

/** The image with a further name, and the one that loses it. */
export function withName(
  all: readonly ImageRecord[],
  image: ImageRecord,
  name: string,
): readonly ImageRecord[] {
  const losers = all.filter(({ id, names }) => id !== image.id && names.includes(name));
  return [
    ...losers.map((loser) => withoutNames(loser, [name])),
    { ...image, names: union(image.names, [name]) },
  ];
}

/** `gone`: names, and digests as the record has them. */
export function withoutNames(image: ImageRecord, gone: readonly string[]): ImageRecord {
  const isLeft = (name: string) => !gone.includes(name);
  return { ...image, names: image.names.filter(isLeft), digests: (image.digests ?? []).filter(isLeft) };
}

/** Whether a blob that one of `had` consists of belongs to none of `have`. */
export function losesContent(
  had: readonly Pick<ImageRecord, 'id' | 'manifest' | 'blobs'>[],
  have: readonly ImageRecord[],
): boolean {
  return have.some(({ id, manifest, blobs }) =>
    had
      .filter((one) => one.id === id)
      .some((one) => [one.manifest, ...one.blobs].some((digest) => ![manifest, ...blobs].includes(digest))),
  );
}

/** Bytes of all layers, each counted once. */
export function bytesOfLayers(images: readonly ImageRecord[]): number {
  const sizes = new Map(
    images.flatMap(({ layers, layerSizes = [] }) =>
      layers.map((id, at) => [id, layerSizes[at] ?? 0] as const),
    ),
  );
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

/** A layer that was there already has the size that another image's record knows. */
function withSizes<T extends Pick<ImageRecord, 'layers' | 'layerSizes' | 'sizeBytes'>>(
  record: T,
  all: readonly ImageRecord[],
): T {
  const known = (id: string) => {
    for (const { layers, layerSizes = [] } of all) {
      const size = layerSizes[layers.indexOf(id)];
      if (typeof size === 'number') return size;
    }
    return null;
  };
  const layerSizes = record.layers.map((id, at) => record.layerSizes?.[at] ?? known(id));
  const isWhole = layerSizes.every((size) => size !== null);
  const sum = layerSizes.reduce<number>((total, size) => total + (size ?? 0), 0);
  return { ...record, layerSizes, sizeBytes: isWhole ? sum : record.sizeBytes };
}

function union(some: readonly string[], more: readonly string[]): readonly string[] {
  return [...new Set([...some, ...more])];
}
