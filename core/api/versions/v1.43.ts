/** Up to 1.43: images carry `VirtualSize` beside `Size`. */
import type { VersionStep } from './chain.ts';

type Shape = Record<string, unknown>;

const withVirtualSize = (image: Shape): Shape => ({ ...image, VirtualSize: image.Size });

export const v1_43: VersionStep = {
  version: '1.43',
  down: {
    'image.inspect': (body) => withVirtualSize(body as Shape),
    'image.list': (body) => (body as Shape[]).map(withVirtualSize),
  },
};
