/** Up to 1.29: `wait` has no conditions: it waits until the container does not run. */
import { ignoring, type VersionStep } from './step.ts';

export const v1_29: VersionStep = {
  version: '1.29',
  query: { 'container.wait': ignoring('condition'), 'container.archive-write': ignoring('copyUIDGID') },
};
