/** Docker's exit codes for a process that never ran, by what stood in its way: the docker command hands them on. */
import { isHostError } from '@gantry/plugin-sdk/errors.ts';

const EXIT_CODES: Readonly<Record<string, number>> = {
  COMMAND_NOT_FOUND: 127,
  INVALID_SUBPATH: 127,
  COMMAND_NOT_EXECUTABLE: 126,
};

export function exitCodeOf(error: unknown, otherwise: number): number {
  for (let at = error; at instanceof Error; at = at.cause as Error) {
    const code = isHostError(at) ? EXIT_CODES[at.code] : undefined;
    if (code !== undefined) return code;
  }
  return otherwise;
}
