/** `SecretProvider.GetSecret`: asked by a cluster manager for the value of a secret. */
import { Type } from 'typebox';
import { errorText, TextMap, wireMethod } from './method.ts';

const text = Type.Optional(Type.String());

export const GetSecretRequest = Type.Object(
  {
    SecretName: text,
    SecretLabels: Type.Optional(TextMap),
    ServiceHostname: text,
    ServiceID: text,
    ServiceName: text,
    ServiceLabels: Type.Optional(TextMap),
    TaskID: text,
    TaskName: text,
    TaskImage: text,
    NodeID: text,
    ServiceEndpointSpec: Type.Optional(
      Type.Object({
        Mode: Type.Optional(Type.Integer()),
        Ports: Type.Optional(
          Type.Array(
            Type.Object({
              Name: text,
              Protocol: Type.Optional(Type.Integer()),
              TargetPort: Type.Optional(Type.Integer()),
              PublishedPort: Type.Optional(Type.Integer()),
              PublishMode: Type.Optional(Type.Integer()),
            }),
          ),
        ),
      }),
    ),
  },
  { description: 'The secret, and the task it is for. Fields that are empty are left out.' },
);

export const GetSecretAnswer = Type.Object(
  {
    Value: Type.Optional(Type.String({ description: 'Base64.' })),
    DoNotReuse: Type.Optional(Type.Boolean({ description: 'Each task asks for its own.' })),
    Err: errorText,
  },
  { description: 'The value.' },
);

export const secretMethods = {
  getSecret: wireMethod('SecretProvider.GetSecret', GetSecretRequest, GetSecretAnswer),
};
