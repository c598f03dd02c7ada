/** Up to 1.45: annotations do not show in a list, a push sends all platforms, and there is no word of containerd. */
import { each, ignoring, object, type VersionStep, within, without } from './step.ts';

export const v1_45: VersionStep = {
  version: '1.45',
  query: { 'image.push': ignoring('platform') },
  down: {
    'container.list': each(within('HostConfig', without('Annotations'))),
    'system.info': object(without('Containerd')),
  },
};
