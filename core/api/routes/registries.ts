/** `docker login`, and what a registry has under a name. */
import { Type } from 'typebox';
import type { Engine } from '../../engine.ts';
import { validatorOf } from '../../schema/validate.ts';
import { requireObject } from '../body.ts';
import { credentialsIn, registryAuth } from '../registry-auth.ts';
import type { Call, Row } from '../route.ts';

/** Docker's `AuthConfig`. */
export const LoginSchema = Type.Object({
  username: Type.Optional(Type.String()),
  password: Type.Optional(Type.String()),
  auth: Type.Optional(Type.String()),
  email: Type.Optional(Type.String()),
  serveraddress: Type.Optional(Type.String()),
  identitytoken: Type.Optional(Type.String()),
  registrytoken: Type.Optional(Type.String()),
});
const validate = validatorOf('log in', LoginSchema);

export function registryRows({ registries }: Engine): readonly Row[] {
  return [
    {
      name: 'registry.login',
      method: 'POST',
      path: '/auth',
      kind: 'json',
      handler: async ({ body, signal }: Call) => {
        const value = validate(requireObject(body));
        const credentials = credentialsIn(value) ?? {};
        const token = await registries.login(value.serveraddress ?? '', credentials, signal);
        return { body: { Status: 'Login Succeeded', IdentityToken: token } };
      },
    },
    {
      name: 'registry.inspect',
      method: 'GET',
      path: '/distribution/*name/json',
      kind: 'json',
      handler: async ({ params, req, signal }: Call) => {
        const found = await registries.inspect(params.name ?? '', registryAuth(req), signal);
        const { mediaType, digest, sizeBytes, platforms } = found;
        return {
          body: {
            Descriptor: { mediaType, digest, size: sizeBytes },
            Platforms: platforms.map(({ os, architecture, variant }) => ({
              architecture,
              os,
              ...(variant && { variant }),
            })),
          },
        };
      },
    },
  ];
}
