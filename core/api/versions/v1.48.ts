/** Up to 1.48: programs are shown with the commit that is expected of them, and images have no choice of platform. */
import { ignoring, inOrder, object, type Shape, type VersionStep, within, without } from './step.ts';

const withExpected = (commit: Shape): Shape => ({ ...commit, Expected: commit.ID });

export const v1_48: VersionStep = {
  version: '1.48',
  query: { 'image.inspect': ignoring('platform') },
  down: {
    'system.info': object(
      inOrder(
        without('FirewallBackend'),
        within('ContainerdCommit', withExpected),
        within('RuncCommit', withExpected),
        within('InitCommit', withExpected),
      ),
    ),
  },
};
