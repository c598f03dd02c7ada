/** Up to 1.51: what is empty is there too, and a container's network settings have those of the default bridge. */
import { each, object, type Shape, type VersionStep, without } from './step.ts';

const IMAGE_CONFIG = {
  User: '',
  Env: null,
  Cmd: null,
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

/** Null for a kind of thing that was not asked for. */
function itemsOf(usage: unknown): unknown {
  return (usage as Shape | undefined)?.Items ?? null;
}

export const v1_51: VersionStep = {
  version: '1.51',
  down: {
    'system.df': object(({ ImageUsage, ContainerUsage, VolumeUsage, BuildCacheUsage }) => ({
      LayersSize: (ImageUsage as Shape | undefined)?.TotalSize ?? 0,
      Images: itemsOf(ImageUsage),
      Containers: itemsOf(ContainerUsage),
      Volumes: itemsOf(VolumeUsage),
      BuildCache: itemsOf(BuildCacheUsage),
      BuilderSize: 0,
    })),
    'container.list': each(without('Health')),
    'container.inspect': object(({ Storage, ...container }) => ({
      ...container,
      GraphDriver: { Name: container.Driver, Data: null },
      NetworkSettings: { ...DEFAULT_BRIDGE, ...(container.NetworkSettings as Shape) },
    })),
    'network.list': each((network) => ({ Containers: {}, ...network })),
    'image.inspect': object((image) => ({
      Author: '',
      Comment: '',
      Parent: '',
      DockerVersion: '',
      GraphDriver: { Data: null, Name: 'overlay2' },
      ...image,
      Config: { ...IMAGE_CONFIG, ...(image.Config as Shape) },
    })),
  },
};
