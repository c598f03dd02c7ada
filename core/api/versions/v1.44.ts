/** Up to 1.44: image inspect names the container that an image was committed from; we never have one. */
import type { VersionStep } from './chain.ts';

type Shape = Record<string, unknown>;

export const v1_44: VersionStep = {
  version: '1.44',
  down: {
    'image.inspect': (body) => {
      const image = body as Shape;
      return { ...image, Container: '', ContainerConfig: image.Config };
    },
  },
};
