/** Up to 1.47: no image mounts, no descriptors of manifests, no platform of an archive. */
import {
  each,
  eachMount,
  ignoring,
  needs,
  object,
  type Shape,
  type VersionStep,
  within,
  without,
} from './step.ts';

const withoutPriority = within(
  'NetworkSettings',
  within('Networks', (networks) =>
    Object.fromEntries(
      Object.entries(networks).map(([name, endpoint]) => [name, object(without('GwPriority'))(endpoint)]),
    ),
  ),
);

function withoutImages(mount: Shape): Shape {
  if (mount.Type === 'image') throw needs('Mount type "Image"', '1.48');
  return mount;
}

export const v1_47: VersionStep = {
  version: '1.47',
  query: {
    'image.inspect': ignoring('manifests'),
    'image.history': ignoring('platform'),
    'image.load': ignoring('platform'),
    'image.save': ignoring('platform'),
  },
  up: { 'container.create': object(eachMount(withoutImages)) },
  down: {
    'container.list': each((container) => withoutPriority(without('ImageManifestDescriptor')(container))),
    'container.inspect': object((container) =>
      withoutPriority(without('ImageManifestDescriptor')(container)),
    ),
    'image.list': each(without('Descriptor')),
    'image.inspect': object(without('Descriptor', 'Manifests')),
    'system.info': object(
      within('RegistryConfig', (registries) => ({
        ...registries,
        AllowNondistributableArtifactsCIDRs: null,
        AllowNondistributableArtifactsHostnames: null,
      })),
    ),
  },
};
