/** Up to 1.44: an image names the container that it was committed from (ours never do), and a volume is mounted whole. */
import { eachMount, needs, object, type Shape, type VersionStep, within } from './step.ts';

function whole(mount: Shape): Shape {
  const { Subpath } = (mount.VolumeOptions ?? {}) as Shape;
  if (typeof Subpath === 'string' && Subpath !== '') throw needs('VolumeOptions.Subpath', '1.45');
  return mount;
}

/** A container was known on its networks by its short id too, and said so among the aliases. */
function withShortId(container: Shape): Shape {
  const short = String(container.Id).slice(0, 12);
  const known = (endpoint: Shape) => ({
    ...endpoint,
    Aliases: [...((endpoint.Aliases as string[] | null) ?? []), short],
  });
  const own = (networks: Shape) =>
    Object.fromEntries(
      Object.entries(networks).map(([name, endpoint]) => [
        name,
        ['bridge', 'host', 'none'].includes(name) ? endpoint : object(known)(endpoint),
      ]),
    );
  return within('NetworkSettings', within('Networks', own))(container);
}

export const v1_44: VersionStep = {
  version: '1.44',
  up: { 'container.create': object(eachMount(whole)) },
  down: {
    'container.inspect': object(withShortId),
    'image.inspect': object((image) => ({ ...image, Container: '', ContainerConfig: image.Config })),
  },
};
