/**
 * Older API versions, one step a file. A request of an old client goes `up` through the steps to the newest shape; the
 * answer comes `down` through them in reverse. Versions without a step differ from the next in nothing that is here, or in
 * additions alone, which an older client passes over.
 */
import { compareApi } from '../version.ts';
import type { VersionStep } from './step.ts';
import { v1_24 } from './v1.24.ts';
import { v1_29 } from './v1.29.ts';
import { v1_31 } from './v1.31.ts';
import { v1_38 } from './v1.38.ts';
import { v1_39 } from './v1.39.ts';
import { v1_40 } from './v1.40.ts';
import { v1_41 } from './v1.41.ts';
import { v1_42 } from './v1.42.ts';
import { v1_43 } from './v1.43.ts';
import { v1_44 } from './v1.44.ts';
import { v1_45 } from './v1.45.ts';
import { v1_46 } from './v1.46.ts';
import { v1_47 } from './v1.47.ts';
import { v1_48 } from './v1.48.ts';
import { v1_49 } from './v1.49.ts';
import { v1_50 } from './v1.50.ts';
import { v1_51 } from './v1.51.ts';

/** Newest first. */
export const STEPS: readonly VersionStep[] = [
  ...[v1_51, v1_50, v1_49, v1_48, v1_47, v1_46, v1_45, v1_44, v1_43, v1_42, v1_41, v1_40],
  ...[v1_39, v1_38, v1_31, v1_29, v1_24],
];

/** Of the versions that there are; a request may write one in other ways, such as `1.041`. */
const STEPS_OF: ReadonlyMap<string, readonly VersionStep[]> = new Map(
  Array.from({ length: 100 }, (_, minor) => [`1.${minor}`, stepsAfter(`1.${minor}`)]),
);

function stepsFor(version: string): readonly VersionStep[] {
  return STEPS_OF.get(version) ?? stepsAfter(version);
}

function stepsAfter(version: string): readonly VersionStep[] {
  return STEPS.filter((step) => compareApi(version, step.version) <= 0);
}

export function downgrade(row: string, version: string, body: unknown): unknown {
  return stepsFor(version).reduce((shape, step) => step.down?.[row]?.(shape) ?? shape, body);
}

export function upgrade(row: string, version: string, body: unknown): unknown {
  return stepsFor(version).reduceRight((shape, step) => step.up?.[row]?.(shape) ?? shape, body);
}

/** Changes `params` in place. */
export function upgradeQuery(row: string, version: string, params: URLSearchParams): void {
  for (const step of stepsFor(version).toReversed()) step.query?.[row]?.(params);
}
