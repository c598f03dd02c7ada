/** Images as the newest Engine API shows them. */
import { familiarName } from '../../controllers/image-name.ts';
import type { Engine } from '../../engine.ts';
import type { ImageRecord } from '../../store/record-types.ts';

export function imageSummary(engine: Engine, image: ImageRecord): object {
  const users = engine.containers.all().filter((container) => container.imageId === image.id);
  return {
    Id: image.id,
    ParentId: '',
    RepoTags: image.names.map(familiarName),
    RepoDigests: [],
    Created: Math.floor(Date.parse(image.createdAt) / 1000) || 0,
    Size: image.sizeBytes,
    SharedSize: -1,
    Labels: image.config.Labels ?? null,
    Containers: users.length,
  };
}

export function imageView(image: ImageRecord): object {
  return {
    Id: image.id,
    RepoTags: image.names.map(familiarName),
    RepoDigests: [],
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
