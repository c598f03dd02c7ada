/** What containers and execs ask alike of a process: variables as `NAME=VALUE`, and the working directory. */
import path from 'node:path';
import { HostError } from '@gantry/plugin-sdk/errors.ts';

/** Errors: InvalidArgument for one without a name. */
export function checkEnvironment(given: readonly string[]): void {
  const nameless = given.find((entry) => entry === '' || entry.startsWith('='));
  if (nameless === undefined) return;
  throw new HostError('InvalidArgument', 'INVALID_ENVIRONMENT', `invalid environment variable: ${nameless}`);
}

/** The later of two settings of a variable wins; `NAME` without `=` takes away what `base` has. */
export function mergeEnvironment(base: readonly string[], given: readonly string[]): readonly string[] {
  const merged = new Map<string, string | undefined>();
  for (const entry of [...base, ...given]) {
    const at = entry.indexOf('=');
    merged.set(at < 0 ? entry : entry.slice(0, at), at < 0 ? undefined : entry);
  }
  return [...merged.values()].filter((entry) => entry !== undefined);
}

/** Normalized. Errors: InvalidArgument when it is not absolute. */
export function workingDirectory(cwd: string): string {
  if (cwd.startsWith('/')) return path.posix.normalize(cwd);
  throw new HostError(
    'InvalidArgument',
    'INVALID_WORKING_DIRECTORY',
    `the working directory '${cwd}' is invalid, it needs to be an absolute path`,
  );
}
