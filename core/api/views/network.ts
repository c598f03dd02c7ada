/** Networks as the newest Engine API shows them. */
import { createHash } from 'node:crypto';
import type { PredefinedNetwork } from '../../controllers/network/predefined.ts';
import { predefinedNetworks } from '../../controllers/network/predefined.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import { isUp, networkOf } from '../container-filters.ts';

/** `attached`: containers to show as the network's; a list does not speak of them. */
export function networkView(
  { name, id, driver }: PredefinedNetwork,
  createdAt: string,
  attached?: readonly ContainerRecord[],
): object {
  const containers = attached?.map((container) => [
    container.id,
    {
      Name: container.name,
      EndpointID: endpointId(container),
      MacAddress: '',
      IPv4Address: '',
      IPv6Address: '',
    },
  ]);
  return {
    Name: name,
    Id: id,
    Created: createdAt,
    Scope: 'local',
    Driver: driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: { Driver: 'default', Options: null, Config: [] },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    ...(containers && { Containers: Object.fromEntries(containers) }),
    Options: {},
    Labels: {},
  };
}

/** A container's own part of its network, by the network's name; nothing for a mode that is not there yet. */
export function endpointsView(engineId: string, container: ContainerRecord): object {
  const network = predefinedNetworks(engineId).find(({ name }) => name === networkOf(container));
  if (!network) return {};
  const isThere = isUp(container.state.status);
  return {
    [network.name]: {
      IPAMConfig: null,
      Links: null,
      Aliases: null,
      DriverOpts: null,
      GwPriority: 0,
      NetworkID: isThere ? network.id : '',
      EndpointID: isThere ? endpointId(container) : '',
      Gateway: '',
      IPAddress: '',
      MacAddress: '',
      IPPrefixLen: 0,
      IPv6Gateway: '',
      GlobalIPv6Address: '',
      GlobalIPv6PrefixLen: 0,
      DNSNames: null,
    },
  };
}

/** Another with each start, as Docker's are. */
function endpointId({ id, state }: ContainerRecord): string {
  return createHash('sha256').update(`${id}/${state.startedAt}`).digest('hex');
}
