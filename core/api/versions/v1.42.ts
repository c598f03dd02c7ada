/** Up to 1.42: no annotations; an image without a name is called `<none>`. */
import { each, object, type Shape, type VersionStep, within, without } from './step.ts';

function named(image: Shape): Shape {
  const isEmpty = (names: unknown) => !Array.isArray(names) || names.length === 0;
  if (!isEmpty(image.RepoTags) || !isEmpty(image.RepoDigests)) return image;
  return { ...image, RepoTags: ['<none>:<none>'], RepoDigests: ['<none>@<none>'] };
}

export const v1_42: VersionStep = {
  version: '1.42',
  up: { 'container.create': object(within('HostConfig', without('Annotations'))) },
  down: { 'image.list': each(named) },
};
