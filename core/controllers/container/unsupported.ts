/** Options of `docker run` that Gantry does not have yet: refused by name instead of being ignored. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';

type Fields = Readonly<Record<string, unknown>>;

/** HostConfig field → what to call it. Any value but the empty ones is refused. */
export const ABSENT: Readonly<Record<string, string>> = {
  PortBindings: 'published ports',
  PublishAllPorts: 'published ports',
  Links: 'links',
};

export function refuseUnsupported(hostConfig: Fields): void {
  const faults = Object.entries(ABSENT)
    .filter(([field]) => !isEmpty(hostConfig[field]))
    .map(([field, words]) => `${words} (HostConfig.${field})`);
  refuseNetwork(hostConfig.NetworkMode, faults);
  if (faults.length === 0) return;
  throw new HostError(
    'NotImplemented',
    'NOT_IMPLEMENTED',
    `create container: not there yet: ${faults.join(', ')}`,
  );
}

function refuseNetwork(mode: unknown, faults: string[]): void {
  if (['', 'default', 'none', 'host', undefined].includes(mode as string)) return;
  faults.push(`network "${String(mode)}"`);
}

/** What clients send for an option that was not used. */
function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === 0 || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
