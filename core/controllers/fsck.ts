/**
 * Compares the store's records, operations and effects with what is really there, beside a daemon at work. Whatever is
 * in the middle of being made or undone is left out: its key is held, or it is gone at the second look.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { messageChain } from '@gantry/plugin-sdk/errors.ts';
import { unknownCgroups } from './fsck/cgroups.ts';
import { absentEffects } from './fsck/effects.ts';
import { unknownDirectories, unknownMounts } from './fsck/files.ts';
import { type Check, FINDING_KINDS, type Finding, type Found, type Scene } from './fsck/finding.ts';
import { imageContent } from './fsck/images.ts';
import { openOperations, unwantedEffects } from './fsck/ledger.ts';
import { unknownSnapshots } from './fsck/snapshots.ts';
import { unknownTasks, unseenEnds } from './fsck/tasks.ts';
import { unlistedVolumes } from './fsck/volumes.ts';

const CHECKS: readonly Check[] = [
  openOperations,
  unwantedEffects,
  absentEffects,
  unknownTasks,
  unseenEnds,
  unknownMounts,
  unknownSnapshots,
  unknownDirectories,
  unknownCgroups,
  imageContent,
  unlistedVolumes,
];

/** Longer than anything takes from its making to its name on the books, or from its undoing to its end. */
const SECOND_LOOK_MS = 1_000;
const REPAIR_MS = 20_000;

export interface Report {
  readonly findings: readonly Finding[];
  /** How much agreed or not: numbers of records and effects looked at. */
  readonly checked: Readonly<Record<'containers' | 'images' | 'volumes' | 'effects', number>>;
}

export interface RepairReport extends Report {
  readonly repaired: readonly Finding[];
  readonly failed: readonly { readonly finding: Finding; readonly error: string }[];
}

export async function fsck(scene: Scene, signal: AbortSignal): Promise<Report> {
  return report(scene, await look(scene, signal));
}

/** Settles what can be settled without a person's decision, then looks again. Never removes a volume. */
export async function repair(scene: Scene, signal: AbortSignal): Promise<RepairReport> {
  const repaired: Finding[] = [];
  const failed: { finding: Finding; error: string }[] = [];
  for (const found of await look(scene, signal)) {
    if (!found.repair) continue;
    try {
      await found.repair(AbortSignal.any([signal, AbortSignal.timeout(REPAIR_MS)]));
      repaired.push(toFinding(found));
    } catch (error) {
      failed.push({ finding: toFinding(found), error: messageChain(error) });
    }
  }
  return { ...report(scene, await look(scene, signal)), repaired, failed };
}

/** What two looks agree on, in the order of repair. */
async function look(scene: Scene, signal: AbortSignal): Promise<readonly Found[]> {
  const first = await runAll(scene, signal);
  if (first.length === 0) return [];
  await delay(SECOND_LOOK_MS, undefined, { signal });
  const seen = new Set(first.map(idOf));
  const rank = ({ kind }: Found) => FINDING_KINDS.indexOf(kind);
  return (await runAll(scene, signal))
    .filter((found) => seen.has(idOf(found)))
    .sort((a, b) => rank(a) - rank(b));
}

async function runAll(scene: Scene, signal: AbortSignal): Promise<readonly Found[]> {
  const found = await Promise.all(CHECKS.map((check) => check(scene, signal)));
  signal.throwIfAborted();
  return found.flat();
}

function idOf({ kind, subject }: Found): string {
  return `${kind} ${subject}`;
}

function report({ store }: Scene, found: readonly Found[]): Report {
  const { records } = store;
  return {
    findings: found.map(toFinding),
    checked: {
      containers: records.count('container'),
      images: records.count('image'),
      volumes: records.count('volume'),
      effects: store.allEffects().length,
    },
  };
}

function toFinding({ repair, ...finding }: Found): Finding {
  return { ...finding, repairable: repair !== undefined };
}
