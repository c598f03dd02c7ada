/** Up to 1.50: nobody counts the containers of an image. */
import { each, type VersionStep } from './step.ts';

export const v1_50: VersionStep = {
  version: '1.50',
  down: { 'image.list': each((image) => ({ ...image, Containers: -1 })) },
};
