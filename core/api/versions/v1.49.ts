/** Up to 1.49: an image's configuration has all that a container's has. */
import { ignoring, inOrder, object, type Shape, type VersionStep, within, without } from './step.ts';

const OF_CONTAINERS = {
  Hostname: '',
  Domainname: '',
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Image: '',
};

export const v1_49: VersionStep = {
  version: '1.49',
  query: { 'image.remove': ignoring('platforms') },
  down: {
    'image.inspect': object(within('Config', (config: Shape) => ({ ...OF_CONTAINERS, ...config }))),
    'system.info': object(
      inOrder(without('DiscoveredDevices'), (info) => ({
        ...info,
        BridgeNfIptables: false,
        BridgeNfIp6tables: false,
      })),
    ),
  },
};
