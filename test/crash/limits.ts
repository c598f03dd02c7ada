/** Limits of containers: what an update was answered to is in the books, and what the books say is in the kernel. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupsOf } from '../fixtures/left-behind.ts';
import type { Books } from './books.ts';
import type { Person } from './person.ts';

/** The limits that a scenario sets only ever grow, so that one which was cut off may show or not. */
export function limitFaults({ containers }: Books, { limits }: Person): string[] {
  return containers.flatMap(({ id, name, state, hostConfig, limitsBefore }) => {
    const lost = Object.entries(limits.get(id) ?? {})
      .filter(([field, least]) => Number(hostConfig[field] ?? 0) < least)
      .map(([field, least]) => `update of ${name} is lost: ${field} is ${hostConfig[field]}, not ${least}`);
    const open = limitsBefore ? [`update of ${name} is still open`] : [];
    const isSet = state.status !== 'running' || pidsLimit(id) === String(hostConfig.PidsLimit ?? 'max');
    const unset = isSet ? [] : [`${name} may have ${pidsLimit(id)} processes, not ${hostConfig.PidsLimit}`];
    return [...lost, ...open, ...unset];
  });
}

function pidsLimit(id: string): string | undefined {
  const file = cgroupsOf(id)
    .map((dir) => join(dir, 'pids.max'))
    .find((path) => !path.includes('/conmon/') && existsSync(path));
  return file && readFileSync(file, 'utf8').trim();
}
