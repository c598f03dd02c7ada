/** `AuthZPlugin.*`: the messages. Fields that are empty are left out. */
import { type Static, Type } from 'typebox';
import { errorText, TextMap, wireMethod } from './method.ts';

const base64 = (description: string) =>
  Type.Optional(Type.String({ description: `${description}, base64.` }));

const requestFields = {
  User: Type.Optional(Type.String({ description: 'Common name of the client’s certificate.' })),
  UserAuthNMethod: Type.Optional(Type.String({ description: '`TLS`, or absent.' })),
  RequestMethod: Type.Optional(Type.String()),
  RequestUri: Type.Optional(Type.String({ description: 'With the version prefix and the query.' })),
  RequestBody: base64('Body of a JSON request'),
  RequestHeaders: Type.Optional(TextMap),
  RequestPeerCertificates: Type.Optional(Type.Array(Type.String({ description: 'PEM, base64.' }))),
};

export const AuthZRequest = Type.Object(requestFields, { description: 'May this API request be served?' });

export const AuthZResponseRequest = Type.Object(
  {
    ...requestFields,
    ResponseStatusCode: Type.Optional(Type.Integer()),
    ResponseHeaders: Type.Optional(TextMap),
    ResponseBody: base64('Body of a JSON response'),
  },
  { description: 'May this API response be sent?' },
);

export const AuthZAnswer = Type.Object(
  {
    Allow: Type.Optional(Type.Boolean({ description: 'Absent counts as false.' })),
    Msg: Type.Optional(Type.String({ description: 'Why not, for the user.' })),
    Err: errorText,
  },
  { description: 'The verdict. `Err` of a 200 is not looked at.' },
);

export const authzMethods = {
  authzReq: wireMethod('AuthZPlugin.AuthZReq', AuthZRequest, AuthZAnswer, { errorField: 'none' }),
  authzRes: wireMethod('AuthZPlugin.AuthZRes', AuthZResponseRequest, AuthZAnswer, { errorField: 'none' }),
};

export type AuthZRequest = Static<typeof AuthZRequest>;
export type AuthZResponseRequest = Static<typeof AuthZResponseRequest>;
export type AuthZAnswer = Static<typeof AuthZAnswer>;
