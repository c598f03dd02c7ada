/** `--security-opt`, and what `--privileged` means for it. */
import { existsSync, readFileSync } from 'node:fs';
import { MASKED_PATHS, READONLY_PATHS } from '@gantry/plugin-sdk/oci/default-spec.ts';
import { seccompFor } from '@gantry/plugin-sdk/oci/seccomp-profile.ts';
import type { SeccompSection } from '@gantry/plugin-sdk/system/seccomp.ts';
import Type, { type Static } from 'typebox';
import { capabilitiesOf } from './capabilities.ts';
import { flag, invalidOption, nullable, Strings } from './fields.ts';
import { seccompSection } from './seccomp.ts';

export const SECURITY_FIELDS = {
  SecurityOpt: nullable(Strings),
  MaskedPaths: nullable(Strings),
  ReadonlyPaths: nullable(Strings),
};
const Fields = Type.Object({
  ...SECURITY_FIELDS,
  CapAdd: nullable(Strings),
  CapDrop: nullable(Strings),
  Privileged: flag,
  IpcMode: Type.Optional(Type.String()),
  PidMode: Type.Optional(Type.String()),
});
export type SecurityOptions = Static<typeof Fields>;

export interface SecurityDefaults {
  readonly noNewPrivileges?: boolean;
  /** `builtin`, `unconfined`, or the path of a profile. */
  readonly seccompProfile?: string;
}

/** What stands for a profile without being one. */
const WORDS = ['builtin', 'unconfined'];

export interface Security {
  readonly noNewPrivileges: boolean;
  /** `builtin`, `unconfined`, or a profile's text. */
  readonly seccomp: string;
  readonly apparmor: string;
  readonly writableCgroups: boolean;
}

/** Errors: InvalidArgument, in Docker's words. */
export function securityOf(
  { SecurityOpt, Privileged }: SecurityOptions,
  { noNewPrivileges = false, seccompProfile = 'builtin' }: SecurityDefaults = {},
): Security {
  const security = {
    noNewPrivileges,
    seccomp: Privileged ? 'unconfined' : '',
    apparmor: '',
    writableCgroups: Privileged ?? false,
  };
  for (const option of SecurityOpt ?? []) {
    if (option === 'no-new-privileges') {
      security.noNewPrivileges = true;
      continue;
    }
    if (option === 'disable') continue; // of labels
    // `:` is an older way to write `=`, and may be in a value.
    const at = option.includes('=') ? option.indexOf('=') : option.indexOf(':');
    if (at < 0) throw invalidOption(`invalid --security-opt 1: ${JSON.stringify(option)}`);
    const [name, value] = [option.slice(0, at), option.slice(at + 1)];
    if (name === 'no-new-privileges') security.noNewPrivileges = booleanOf(option, value);
    else if (name === 'writable-cgroups') security.writableCgroups = booleanOf(option, value);
    else if (name === 'seccomp') security.seccomp = value;
    else if (name === 'apparmor') security.apparmor = value;
    else if (name !== 'label') throw invalidOption(`invalid --security-opt 2: ${JSON.stringify(option)}`);
  }
  return { ...security, seccomp: security.seccomp || profileOf(seccompProfile) };
}

function profileOf(wanted: string): string {
  return WORDS.includes(wanted) ? wanted : readFileSync(wanted, 'utf8');
}

/** As Go reads one. */
function booleanOf(option: string, value: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false;
  throw invalidOption(`invalid --security-opt 2: ${JSON.stringify(option)}`);
}

/** With the paths as they will be, so that inspect shows them; null, from a client, asks for the defaults. */
export function settleSecurity(given: SecurityOptions, defaults: SecurityDefaults): SecurityOptions {
  const { Privileged, SecurityOpt, IpcMode, PidMode } = given;
  const { seccomp } = securityOf(given, defaults);
  if (!WORDS.includes(seccomp)) sectionFor(seccomp, given);
  // What shares so much with the host has no label of its own, as in Docker.
  const unlabelled = Privileged || IpcMode === 'host' || PidMode === 'host';
  const labelled = SecurityOpt?.some((option) => option.startsWith('label'));
  return {
    SecurityOpt: unlabelled && !labelled ? [...(SecurityOpt ?? []), 'label=disable'] : (SecurityOpt ?? null),
    MaskedPaths: Privileged ? null : (given.MaskedPaths ?? [...MASKED_PATHS]),
    ReadonlyPaths: Privileged ? null : (given.ReadonlyPaths ?? [...READONLY_PATHS]),
  };
}

/** The OCI `linux` members for it. Errors: InvalidArgument for a seccomp profile that cannot be read. */
export function confinementOf(
  options: SecurityOptions,
  defaults: SecurityDefaults = {},
): {
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly seccomp?: SeccompSection;
} {
  const seccomp = sectionFor(securityOf(options, defaults).seccomp, options);
  const { Privileged, MaskedPaths, ReadonlyPaths } = options;
  return {
    // A record of an older daemon has none of its own.
    maskedPaths: Privileged ? [] : (MaskedPaths ?? MASKED_PATHS),
    readonlyPaths: Privileged ? [] : (ReadonlyPaths ?? READONLY_PATHS),
    ...(seccomp && { seccomp }),
  };
}

function sectionFor(profile: string, options: SecurityOptions): SeccompSection | undefined {
  if (profile === 'unconfined') return undefined;
  const capabilities = capabilitiesOf(options);
  return profile === 'builtin' ? seccompFor(capabilities) : seccompSection(profile, capabilities);
}

let apparmor: boolean | undefined;

/** Undefined where the machine has no AppArmor, and the option is then accepted and without effect, as in Docker. */
export function apparmorProfile({ apparmor: name }: Security): string | undefined {
  apparmor ??= existsSync('/sys/kernel/security/apparmor') && isEnabled();
  return (apparmor && name) || undefined;
}

function isEnabled(): boolean {
  try {
    return readFileSync('/sys/module/apparmor/parameters/enabled', 'utf8').startsWith('Y');
  } catch {
    return false;
  }
}
