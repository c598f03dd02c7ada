/** Up to 1.51: image inspect has its empty fields, and a container's network settings those of the default bridge. */
import type { VersionStep } from './chain.ts';

type Shape = Record<string, unknown>;

const EMPTY_CONFIG = {
  Hostname: '',
  Domainname: '',
  User: '',
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: null,
  Cmd: null,
  Image: '',
  Volumes: null,
  WorkingDir: '',
  Entrypoint: null,
  OnBuild: null,
  Labels: null,
};

const DEFAULT_BRIDGE = {
  Bridge: '',
  HairpinMode: false,
  LinkLocalIPv6Address: '',
  LinkLocalIPv6PrefixLen: 0,
  SecondaryIPAddresses: null,
  SecondaryIPv6Addresses: null,
  EndpointID: '',
  Gateway: '',
  GlobalIPv6Address: '',
  GlobalIPv6PrefixLen: 0,
  IPAddress: '',
  IPPrefixLen: 0,
  IPv6Gateway: '',
  MacAddress: '',
};

export const v1_51: VersionStep = {
  version: '1.51',
  down: {
    'image.inspect': (body) => {
      const image = body as Shape;
      return {
        Author: '',
        Comment: '',
        Parent: '',
        DockerVersion: '',
        GraphDriver: { Data: null, Name: 'overlay2' },
        ...image,
        Config: { ...EMPTY_CONFIG, ...(image.Config as Shape) },
      };
    },
    'container.inspect': (body) => {
      const container = body as Shape;
      return {
        ...container,
        NetworkSettings: { ...DEFAULT_BRIDGE, ...(container.NetworkSettings as Shape) },
      };
    },
  },
};
