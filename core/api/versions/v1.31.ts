/** Up to 1.31: no platform when images are fetched. */
import { ignoring, type VersionStep } from './step.ts';

export const v1_31: VersionStep = {
  version: '1.31',
  query: { 'image.create': ignoring('platform') },
};
