/** `NetworkDriver.*` (libnetwork's remote driver): the messages. */
import { type Static, Type } from 'typebox';
import { AnyMap, ErrorAnswer, errorText, NoRequest, nullable, TextMap, wireMethod } from './method.ts';

const NetworkID = Type.String({ description: 'Id of the network, 64 hex digits.' });
const EndpointID = Type.String({ description: 'Id of the endpoint, 64 hex digits.' });
const optionalText = (description: string) => Type.Optional(Type.String({ description }));

export const NetworkCapabilitiesAnswer = Type.Object(
  {
    Scope: Type.String({ description: 'Exactly `local` or `global`, else the driver is not registered.' }),
    ConnectivityScope: optionalText('`local` or `global`; empty: as Scope.'),
    GwAllocChecker: Type.Optional(
      Type.Boolean({ description: 'The driver wants `GwAllocCheck` before pools are requested.' }),
    ),
    Err: errorText,
  },
  { description: 'How far the networks reach.' },
);

export const IpamData = Type.Object(
  {
    AddressSpace: Type.Optional(Type.String()),
    Pool: optionalText('CIDR of the pool; absent when there is none.'),
    Gateway: optionalText('The gateway address as CIDR, with the prefix length of the pool.'),
    AuxAddresses: Type.Optional(TextMap),
  },
  { description: 'One pool of a network.' },
);

export const GwAllocCheckRequest = Type.Object(
  { Options: Type.Optional(nullable(AnyMap)) },
  { description: 'The options of the network about to be made: does it need gateway addresses?' },
);

export const GwAllocCheckAnswer = Type.Object(
  { SkipIPv4: Type.Optional(Type.Boolean()), SkipIPv6: Type.Optional(Type.Boolean()), Err: errorText },
  { description: 'The families that need no gateway address.' },
);

export const CreateNetworkRequest = Type.Object(
  {
    NetworkID,
    Options: Type.Optional(nullable(AnyMap)),
    IPv4Data: Type.Array(IpamData),
    IPv6Data: Type.Array(IpamData),
  },
  { description: 'Make a network on the given pools.' },
);

export const NetworkIdRequest = Type.Object({ NetworkID }, { description: 'Delete or free one network.' });

export const AllocateNetworkRequest = Type.Object(
  {
    NetworkID,
    Options: Type.Optional(nullable(TextMap)),
    IPv4Data: Type.Array(IpamData),
    IPv6Data: Type.Array(IpamData),
  },
  { description: 'Reserve what a network of global scope needs; sent by a cluster manager only.' },
);

export const AllocateNetworkAnswer = Type.Object(
  { Options: Type.Optional(nullable(TextMap)), Err: errorText },
  { description: 'Options that `CreateNetwork` is given on every node.' },
);

export const EndpointInterface = Type.Object(
  {
    Address: optionalText('IPv4 address as CIDR; empty when unset.'),
    AddressIPv6: optionalText('IPv6 address as CIDR; empty when unset.'),
    MacAddress: optionalText('MAC address; empty when unset.'),
  },
  { description: 'The addresses of an endpoint. An answer may only fill those that were empty.' },
);

export const CreateEndpointRequest = Type.Object(
  {
    NetworkID,
    EndpointID,
    Interface: Type.Optional(nullable(EndpointInterface)),
    Options: Type.Optional(nullable(AnyMap)),
  },
  { description: 'Make an endpoint on a network.' },
);

export const CreateEndpointAnswer = Type.Object(
  { Interface: Type.Optional(nullable(EndpointInterface)), Err: errorText },
  { description: 'What the driver chose of the addresses that were not given.' },
);

export const EndpointRequest = Type.Object(
  { NetworkID, EndpointID },
  { description: 'Delete, leave, revoke, or ask about one endpoint.' },
);

export const EndpointInfoAnswer = Type.Object(
  { Value: Type.Optional(nullable(AnyMap)), Err: errorText },
  { description: 'What the driver wants to tell about an endpoint in operation.' },
);

export const JoinRequest = Type.Object(
  {
    NetworkID,
    EndpointID,
    SandboxKey: Type.String({ description: 'Path of the network namespace.' }),
    Options: Type.Optional(nullable(AnyMap)),
  },
  { description: 'Attach an endpoint to a sandbox.' },
);

export const InterfaceName = Type.Object(
  {
    SrcName: optionalText('The link to move into the sandbox; empty: none.'),
    DstPrefix: optionalText('Its name there, less the index.'),
    DstName: optionalText('In the type, used by no version of Docker.'),
  },
  { description: 'The link behind an endpoint.' },
);

export const StaticRoute = Type.Object(
  {
    Destination: Type.Optional(Type.String({ description: 'CIDR.' })),
    RouteType: Type.Optional(Type.Integer({ description: '0: by next hop; anything else: connected.' })),
    NextHop: optionalText('Plain IP, for route type 0.'),
  },
  { description: 'A route the sandbox gets.' },
);

export const JoinAnswer = Type.Object(
  {
    InterfaceName: Type.Optional(nullable(InterfaceName)),
    Gateway: optionalText('Plain IPv4 address.'),
    GatewayIPv6: optionalText('Plain IPv6 address.'),
    StaticRoutes: Type.Array(StaticRoute),
    DisableGatewayService: Type.Optional(
      Type.Boolean({ description: 'No default way out for this sandbox.' }),
    ),
    Err: errorText,
  },
  { description: 'What the sandbox gets for this endpoint.' },
);

export const ProgramExternalRequest = Type.Object(
  { NetworkID, EndpointID, Options: Type.Optional(nullable(AnyMap)) },
  { description: 'Publish the ports of an endpoint that is the sandbox’s gateway.' },
);

export const DiscoveryRequest = Type.Object(
  {
    DiscoveryType: Type.Integer({ description: '1: a node.' }),
    DiscoveryData: Type.Optional(Type.Unknown({ description: 'For a node: Address, BindAddress, Self.' })),
  },
  { description: 'A node of the cluster came or went.' },
);

const optional = { optional: true };

export const networkMethods = {
  getCapabilities: wireMethod('NetworkDriver.GetCapabilities', NoRequest, NetworkCapabilitiesAnswer, {
    body: 'none',
  }),
  gwAllocCheck: wireMethod('NetworkDriver.GwAllocCheck', GwAllocCheckRequest, GwAllocCheckAnswer),
  createNetwork: wireMethod('NetworkDriver.CreateNetwork', CreateNetworkRequest, ErrorAnswer),
  deleteNetwork: wireMethod('NetworkDriver.DeleteNetwork', NetworkIdRequest, ErrorAnswer),
  allocateNetwork: wireMethod('NetworkDriver.AllocateNetwork', AllocateNetworkRequest, AllocateNetworkAnswer),
  freeNetwork: wireMethod('NetworkDriver.FreeNetwork', NetworkIdRequest, ErrorAnswer),
  createEndpoint: wireMethod('NetworkDriver.CreateEndpoint', CreateEndpointRequest, CreateEndpointAnswer),
  endpointOperInfo: wireMethod(
    'NetworkDriver.EndpointOperInfo',
    EndpointRequest,
    EndpointInfoAnswer,
    optional,
  ),
  deleteEndpoint: wireMethod('NetworkDriver.DeleteEndpoint', EndpointRequest, ErrorAnswer),
  join: wireMethod('NetworkDriver.Join', JoinRequest, JoinAnswer),
  leave: wireMethod('NetworkDriver.Leave', EndpointRequest, ErrorAnswer),
  programExternalConnectivity: wireMethod(
    'NetworkDriver.ProgramExternalConnectivity',
    ProgramExternalRequest,
    ErrorAnswer,
    optional,
  ),
  revokeExternalConnectivity: wireMethod(
    'NetworkDriver.RevokeExternalConnectivity',
    EndpointRequest,
    ErrorAnswer,
    optional,
  ),
  discoverNew: wireMethod('NetworkDriver.DiscoverNew', DiscoveryRequest, ErrorAnswer, optional),
  discoverDelete: wireMethod('NetworkDriver.DiscoverDelete', DiscoveryRequest, ErrorAnswer, optional),
};

export type CreateNetworkRequest = Static<typeof CreateNetworkRequest>;
export type CreateEndpointRequest = Static<typeof CreateEndpointRequest>;
export type CreateEndpointAnswer = Static<typeof CreateEndpointAnswer>;
export type JoinRequest = Static<typeof JoinRequest>;
export type JoinAnswer = Static<typeof JoinAnswer>;
export type IpamData = Static<typeof IpamData>;
