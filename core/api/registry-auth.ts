/** Credentials for a registry, as Docker's clients send them: base64 of JSON in `X-Registry-Auth`, or the body of a login. */
import type { IncomingMessage } from 'node:http';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { Credentials } from '../../registry/client/tokens.ts';

/** Undefined without the header. Errors: InvalidArgument, which does not quote it. */
export function registryAuth({ headers }: IncomingMessage): Credentials | undefined {
  const header = headers['x-registry-auth'];
  if (typeof header !== 'string' || header === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'));
  } catch {
    throw new HostError(
      'InvalidArgument',
      'INVALID_REGISTRY_AUTH',
      'invalid X-Registry-Auth header: it is not base64 of JSON',
    );
  }
  return credentialsIn((typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>);
}

/** From Docker's `AuthConfig`; `auth` is base64 of `USER:PASSWORD`. */
export function credentialsIn(value: Readonly<Record<string, unknown>>): Credentials | undefined {
  const text = (name: string) => (typeof value[name] === 'string' ? value[name] : '');
  const [user = '', password = ''] = Buffer.from(text('auth'), 'base64').toString('utf8').split(/:(.*)/s);
  const found = {
    ...((text('username') || user) && {
      username: text('username') || user,
      password: text('password') || password,
    }),
    ...(text('identitytoken') && { identityToken: text('identitytoken') }),
    ...(text('registrytoken') && { registryToken: text('registrytoken') }),
  };
  return Object.keys(found).length > 0 ? found : undefined;
}
