/** What `--security-opt` asks for. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { HostConfigBody } from './request.ts';

export interface Security {
  readonly noNewPrivileges: boolean;
  readonly seccomp: 'default' | 'unconfined';
}

/** `no-new-privileges[=BOOL]`, `seccomp=unconfined`, `seccomp=builtin`. Errors: NotImplemented for any other. */
export function securityOf({ SecurityOpt }: HostConfigBody): Security {
  let security: Security = { noNewPrivileges: false, seccomp: 'default' };
  for (const option of SecurityOpt ?? []) {
    const at = option.search(/[=:]/);
    const [key, value] = at < 0 ? [option, ''] : [option.slice(0, at), option.slice(at + 1)];
    if (key === 'no-new-privileges') security = { ...security, noNewPrivileges: value !== 'false' };
    else if (key === 'seccomp' && value === 'unconfined') security = { ...security, seccomp: 'unconfined' };
    else if (key === 'seccomp' && value === 'builtin') security = { ...security, seccomp: 'default' };
    else {
      throw new HostError(
        'NotImplemented',
        'NOT_IMPLEMENTED',
        `security option "${option}" is not there yet`,
      );
    }
  }
  return security;
}
