/** `--ulimit`, over the daemon's own defaults. */
import Type, { type Static } from 'typebox';
import { invalidOption, nullable, whole } from './fields.ts';

const Ulimit = Type.Object({ Name: Type.String(), Soft: whole, Hard: whole });
export type Ulimit = Static<typeof Ulimit>;

export const ULIMIT_FIELDS = { Ulimits: nullable(Type.Array(Ulimit)) };
const Fields = Type.Object(ULIMIT_FIELDS);
export type UlimitOptions = Static<typeof Fields>;

/** Source: setrlimit(2). */
const NAMES = [
  ...['core', 'cpu', 'data', 'fsize', 'locks', 'memlock', 'msgqueue', 'nice'],
  ...['nofile', 'nproc', 'rss', 'rtprio', 'rttime', 'sigpending', 'stack', 'as'],
];
const UNLIMITED = -1;

/** Errors: InvalidArgument for an unknown name, or a soft limit over the hard one. */
export function checkUlimits({ Ulimits }: UlimitOptions): void {
  for (const { Name, Soft = 0, Hard = 0 } of Ulimits ?? []) {
    if (!NAMES.includes(Name.toLowerCase())) throw invalidOption(`invalid ulimit type: ${Name}`);
    if (Hard === UNLIMITED) continue;
    if (Soft === UNLIMITED)
      throw invalidOption(
        `ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: ${Hard}`,
      );
    if (Soft > Hard)
      throw invalidOption(`ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard}`);
  }
}

/** The OCI `rlimits` of every process in the container; undefined without any. */
export function rlimitsOf(
  { Ulimits }: UlimitOptions,
  defaults: Readonly<Record<string, Ulimit>> = {},
): readonly object[] | undefined {
  const byName = new Map<string, Ulimit>();
  for (const ulimit of [...Object.values(defaults), ...(Ulimits ?? [])])
    byName.set(ulimit.Name.toUpperCase(), ulimit);
  const rlimits = [...byName].map(([name, { Soft = 0, Hard = 0 }]) => ({
    type: `RLIMIT_${name}`,
    soft: limit(Soft),
    hard: limit(Hard),
  }));
  return rlimits.length > 0 ? rlimits : undefined;
}

/** No limit is the largest number of 64 bits, which JSON can say and a double cannot hold. */
function limit(given: number): unknown {
  if (given >= 0) return given;
  return (JSON as unknown as { rawJSON(json: string): unknown }).rawJSON(String(2n ** 64n - 1n));
}
