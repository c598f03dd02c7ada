/** Up to 1.46: images are shown without their manifests. */
import { each, ignoring, type VersionStep, without } from './step.ts';

export const v1_46: VersionStep = {
  version: '1.46',
  query: { 'image.list': ignoring('manifests') },
  down: { 'image.list': each(without('Manifests')) },
};
