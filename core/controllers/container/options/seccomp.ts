/**
 * A seccomp profile as the client sends it, in Docker's format, brought to what a runtime takes: rules that depend on
 * capabilities, architecture or kernel are kept or left out here.
 */
import { release } from 'node:os';
import type { SeccompSection } from '@gantry/plugin-sdk/system/seccomp.ts';
import Type, { type Static } from 'typebox';
import { validatorOf } from '../../../schema/validate.ts';
import { invalidOption, nullable, Strings, text } from './fields.ts';

const Condition = nullable(
  Type.Object({ caps: nullable(Strings), arches: nullable(Strings), minKernel: text }),
);
const Rule = Type.Object({
  name: text,
  names: nullable(Strings),
  action: Type.String(),
  errnoRet: nullable(Type.Integer()),
  args: nullable(
    Type.Array(
      Type.Object({
        index: Type.Integer(),
        value: Type.Integer(),
        valueTwo: Type.Optional(Type.Integer()),
        op: Type.String(),
      }),
    ),
  ),
  includes: Condition,
  excludes: Condition,
});
const Profile = Type.Object({
  defaultAction: text,
  defaultErrnoRet: nullable(Type.Integer()),
  architectures: nullable(Strings),
  archMap: nullable(
    Type.Array(Type.Object({ architecture: Type.String(), subArchitectures: nullable(Strings) })),
  ),
  flags: nullable(Strings),
  listenerPath: text,
  listenerMetadata: text,
  syscalls: nullable(Type.Array(Rule)),
});
type Profile = Static<typeof Profile>;
type Rule = Static<typeof Rule>;

/** Source: OCI runtime specification, config-linux.md, Seccomp. */
const ACTIONS = [
  'KILL',
  'KILL_PROCESS',
  'KILL_THREAD',
  'TRAP',
  'ERRNO',
  'TRACE',
  'ALLOW',
  'LOG',
  'NOTIFY',
].map((name) => `SCMP_ACT_${name}`);

const OPERATORS = ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'].map((name) => `SCMP_CMP_${name}`);

/** By Node's `process.arch`: the names that Docker and libseccomp have for it. */
const ARCHITECTURES: Readonly<Record<string, readonly [docker: string, seccomp: string]>> = {
  x64: ['amd64', 'SCMP_ARCH_X86_64'],
  arm64: ['arm64', 'SCMP_ARCH_AARCH64'],
};

/**
 * The `linux.seccomp` section for a process whose bounding set is `capabilities`; undefined for a profile that says
 * nothing. Errors: InvalidArgument.
 */
export function seccompSection(
  profile: string,
  capabilities: readonly string[],
  arch: string = process.arch,
): SeccompSection | undefined {
  const parsed = parse(profile);
  const { defaultAction, defaultErrnoRet, flags, listenerPath, listenerMetadata } = parsed;
  if (!defaultAction && !parsed.syscalls?.length) return undefined;
  const names = architecturesOf(parsed, arch);
  const rules = (parsed.syscalls ?? []).filter((rule) => concerns(rule, capabilities, arch));
  for (const action of [defaultAction ?? '', ...rules.map((rule) => rule.action)]) {
    if (!ACTIONS.includes(action)) throw refused(`string ${action} is not a valid action for seccomp`);
  }
  for (const { op } of rules.flatMap(({ args }) => args ?? [])) {
    if (!OPERATORS.includes(op)) throw refused(`string ${op} is not a valid operator for seccomp`);
  }
  return {
    defaultAction: defaultAction ?? '',
    ...(typeof defaultErrnoRet === 'number' && { defaultErrnoRet }),
    ...(names.length > 0 && { architectures: names }),
    ...(flags?.length && { flags }),
    ...(listenerPath && { listenerPath }),
    ...(listenerMetadata && { listenerMetadata }),
    syscalls: rules.map(toOci),
  };
}

const REFUSED = 'Decoding seccomp profile failed';
const validate = validatorOf(REFUSED, Profile);

function parse(profile: string): Profile {
  try {
    return validate(JSON.parse(profile));
  } catch (error) {
    throw error instanceof SyntaxError ? refused(error.message) : error;
  }
}

function refused(why: string) {
  return invalidOption(`${REFUSED}: ${why}`);
}

function architecturesOf({ architectures, archMap }: Profile, arch: string): readonly string[] {
  if (architectures?.length && archMap?.length)
    throw refused("both 'architectures' and 'archMap' are specified in the seccomp profile, use either one");
  if (architectures?.length) return architectures;
  const native = ARCHITECTURES[arch]?.[1];
  const entry = archMap?.find(({ architecture }) => architecture === native);
  return entry ? [entry.architecture, ...(entry.subArchitectures ?? [])] : [];
}

function concerns({ name, names, includes, excludes }: Rule, capabilities: readonly string[], arch: string) {
  if (name && names?.length) throw refused("both 'name' and 'names' are specified in the seccomp profile");
  const own = ARCHITECTURES[arch]?.[0] ?? arch;
  const has = (capability: string) => capabilities.includes(capability);
  if (excludes?.arches?.includes(own) || excludes?.caps?.some(has)) return false;
  if (excludes?.minKernel && isKernelAtLeast(excludes.minKernel)) return false;
  if (includes?.arches?.length && !includes.arches.includes(own)) return false;
  if (includes?.caps && !includes.caps.every(has)) return false;
  return !includes?.minKernel || isKernelAtLeast(includes.minKernel);
}

/** `4.8`. */
function isKernelAtLeast(wanted: string): boolean {
  const parts = (version: string) => version.split('.').map((part) => Number.parseInt(part, 10));
  const [major = 0, minor = 0] = parts(release());
  const [wantedMajor = 0, wantedMinor = 0] = parts(wanted);
  if (Number.isNaN(wantedMajor) || Number.isNaN(wantedMinor))
    throw refused(`invalid kernel version: ${wanted}`);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

function toOci({ name, names, action, errnoRet, args }: Rule) {
  return {
    names: name ? [name] : (names ?? []),
    action,
    ...(typeof errnoRet === 'number' && { errnoRet }),
    ...(args?.length && { args }),
  };
}
