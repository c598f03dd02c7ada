/**
 * Older API shapes, one step a file. A request of an old client goes `up` through the steps to the newest shape; the
 * answer comes `down` through them in reverse. `version` is the newest version that still has the old shape.
 */
import { compareApi } from '../version.ts';
import { v1_43 } from './v1.43.ts';
import { v1_44 } from './v1.44.ts';
import { v1_51 } from './v1.51.ts';

export interface VersionStep {
  readonly version: string;
  readonly up?: Readonly<Record<string, (body: unknown) => unknown>>;
  readonly down?: Readonly<Record<string, (body: unknown) => unknown>>;
}

/** Newest first. */
const STEPS: readonly VersionStep[] = [v1_51, v1_44, v1_43];

function stepsFor(version: string): readonly VersionStep[] {
  return STEPS.filter((step) => compareApi(version, step.version) <= 0);
}

export function downgrade(row: string, version: string, body: unknown): unknown {
  return stepsFor(version).reduce((shape, step) => step.down?.[row]?.(shape) ?? shape, body);
}

export function upgrade(row: string, version: string, body: unknown): unknown {
  return stepsFor(version).reduceRight((shape, step) => step.up?.[row]?.(shape) ?? shape, body);
}
