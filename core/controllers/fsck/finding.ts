/** One disagreement between the books and what is really there. */
import type { Locks } from '../../store/locks.ts';
import type { Replay } from '../../store/replay.ts';
import type { Store } from '../../store/store.ts';
import type { Drivers } from '../drivers.ts';
import type { Volumes } from '../volume/volumes.ts';

/** In the order in which repairs are made: what runs goes before what it stands on. */
export const FINDING_KINDS = [
  'operation',
  'effect-unwanted',
  'task',
  'mount',
  'snapshot',
  'directory',
  'cgroup',
  'layer',
  'blob',
  'volume-unlisted',
  'effect-absent',
  'task-ended',
  'image-content',
  'volume-absent',
  'unchecked',
] as const;
export type FindingKind = (typeof FINDING_KINDS)[number];

export interface Finding {
  readonly kind: FindingKind;
  /** What it is about: an effect's key, a path, a name. Unique with `kind`. */
  readonly subject: string;
  /** One sentence for a person. */
  readonly what: string;
  /** What mends it, imperative; for repairable ones, what the repair does. */
  readonly mend: string;
  readonly repairable: boolean;
}

/** A finding as its check made it. `repair` is absent where a person has to decide. */
export interface Found extends Omit<Finding, 'repairable'> {
  readonly repair?: (signal: AbortSignal) => Promise<void>;
}

export type Check = (scene: Scene, signal: AbortSignal) => Promise<readonly Found[]>;

/** What the checks look at: the books on one side, the drivers and the machine on the other. */
export interface Scene {
  readonly store: Store;
  readonly locks: Locks;
  readonly replay: Replay;
  readonly drivers: Drivers;
  readonly volumes: Volumes;
  readonly content: { list(): Promise<readonly string[]>; remove(digest: string): Promise<void> };
  readonly dirs: { readonly data: string; readonly exec: string };
  /** `/sys/fs/cgroup`. */
  readonly cgroups: string;
}

export const REPAIR = 'gantry fsck --repair';

const CALL_MS = 2_000;

/** A signal for one question to a driver: no hung driver holds the rest up. */
export function soon(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(CALL_MS)]);
}
