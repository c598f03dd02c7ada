/** Images as the newest Engine API shows them. */
import { familiarName } from '../../controllers/image-name.ts';
import type { Engine } from '../../engine.ts';
import type { ImageRecord } from '../../store/record-types.ts';

/** Bytes that each image, by its id, has in layers which others have too. */
export function sharedSizes(images: readonly ImageRecord[]): ReadonlyMap<string, number> {
  const users = new Map<string, number>();
  for (const layer of images.flatMap(({ layers }) => [...new Set(layers)])) {
    users.set(layer, (users.get(layer) ?? 0) + 1);
  }
  const shared = ({ layers, layerSizes = [] }: ImageRecord) =>
    layers.reduce((sum, layer, at) => sum + ((users.get(layer) ?? 0) > 1 ? (layerSizes[at] ?? 0) : 0), 0);
  return new Map(images.map((image) => [image.id, shared(image)]));
}

export function imageSummary(engine: Engine, image: ImageRecord, sharedBytes = -1): object {
  const users = engine.containers.all().filter((container) => container.imageId === image.id);
  return {
    Id: image.id,
    ParentId: image.parent ?? '',
    RepoTags: image.names.map(familiarName),
    RepoDigests: (image.digests ?? []).map(familiarName),
    Created: Math.floor(Date.parse(image.createdAt) / 1000) || 0,
    Size: image.sizeBytes,
    SharedSize: sharedBytes,
    Labels: image.config.Labels ?? null,
    Containers: users.length,
  };
}

export function imageView(image: ImageRecord): object {
  return {
    Id: image.id,
    RepoTags: image.names.map(familiarName),
    RepoDigests: (image.digests ?? []).map(familiarName),
    ...(image.parent && { Parent: image.parent }),
    ...(image.comment && { Comment: image.comment }),
    ...(image.author && { Author: image.author }),
    Created: image.createdAt,
    Config: image.config,
    Architecture: image.architecture,
    Os: image.os,
    Size: image.sizeBytes,
    RootFS: { Type: 'layers', Layers: image.layers },
    Metadata: { LastTagTime: image.loadedAt },
  };
}
