/** `IpamDriver.*`: the messages. The error field is `Error` here, not `Err`. */
import { type Static, Type } from 'typebox';
import { errorText, NoRequest, nullable, TextMap, wireMethod } from './method.ts';

const PoolID = Type.String({ description: 'The driver’s own name of the pool.' });

export const IpamErrorAnswer = Type.Object(
  { Error: errorText },
  { description: 'Success, or an error text.' },
);

export const IpamCapabilitiesAnswer = Type.Object(
  {
    RequiresMACAddress: Type.Optional(
      Type.Boolean({ description: 'Wants the MAC with each address request.' }),
    ),
    RequiresRequestReplay: Type.Optional(
      Type.Boolean({ description: 'Wants to be told again at daemon start what it handed out.' }),
    ),
    Error: errorText,
  },
  { description: 'What the driver needs; both false when it does not say.' },
);

export const AddressSpacesAnswer = Type.Object(
  {
    LocalDefaultAddressSpace: Type.Optional(Type.String()),
    GlobalDefaultAddressSpace: Type.Optional(Type.String()),
    Error: errorText,
  },
  { description: 'The address spaces used when the user names none.' },
);

export const RequestPoolRequest = Type.Object(
  {
    AddressSpace: Type.String(),
    Pool: Type.String({ description: 'CIDR, or empty: the driver chooses.' }),
    SubPool: Type.String({ description: 'CIDR to choose addresses from, or empty.' }),
    Options: Type.Optional(nullable(TextMap)),
    V6: Type.Boolean(),
  },
  { description: 'Reserve a pool. Asking again for what is held gives the same answer.' },
);

export const RequestPoolAnswer = Type.Object(
  {
    PoolID,
    Pool: Type.String({ description: 'CIDR.' }),
    Data: Type.Optional(nullable(TextMap)),
    Error: errorText,
  },
  { description: 'The pool. `Data` may hold `com.docker.network.gateway` as CIDR.' },
);

export const ReleasePoolRequest = Type.Object({ PoolID }, { description: 'Give a pool back.' });

export const RequestAddressRequest = Type.Object(
  {
    PoolID,
    Address: Type.String({ description: 'Plain IP, or empty: the driver chooses.' }),
    Options: nullable(TextMap),
  },
  { description: 'Reserve an address of a pool.' },
);

export const RequestAddressAnswer = Type.Object(
  {
    Address: Type.String({ description: 'CIDR with the prefix length of the pool.' }),
    Data: Type.Optional(nullable(TextMap)),
    Error: errorText,
  },
  { description: 'The address.' },
);

export const ReleaseAddressRequest = Type.Object(
  { PoolID, Address: Type.String({ description: 'Plain IP.' }) },
  { description: 'Give an address back.' },
);

const asks = { body: 'none', errorField: 'Error' } as const;
const told = { errorField: 'Error' } as const;

export const ipamMethods = {
  getCapabilities: wireMethod('IpamDriver.GetCapabilities', NoRequest, IpamCapabilitiesAnswer, {
    ...asks,
    optional: true,
  }),
  getDefaultAddressSpaces: wireMethod(
    'IpamDriver.GetDefaultAddressSpaces',
    NoRequest,
    AddressSpacesAnswer,
    asks,
  ),
  requestPool: wireMethod('IpamDriver.RequestPool', RequestPoolRequest, RequestPoolAnswer, told),
  releasePool: wireMethod('IpamDriver.ReleasePool', ReleasePoolRequest, IpamErrorAnswer, told),
  requestAddress: wireMethod('IpamDriver.RequestAddress', RequestAddressRequest, RequestAddressAnswer, told),
  releaseAddress: wireMethod('IpamDriver.ReleaseAddress', ReleaseAddressRequest, IpamErrorAnswer, told),
};

export type RequestPoolRequest = Static<typeof RequestPoolRequest>;
export type RequestPoolAnswer = Static<typeof RequestPoolAnswer>;
export type RequestAddressRequest = Static<typeof RequestAddressRequest>;
export type RequestAddressAnswer = Static<typeof RequestAddressAnswer>;
