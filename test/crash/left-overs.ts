/**
 * fsck beside a daemon that replays nothing: whatever a death has left must be named by it, either by itself or in the
 * operation that was cut off. What is left is found out without the daemon's help.
 */

import { type Books, readBooks } from './books.ts';
import { Cut } from './client.ts';
import { leftBehind } from './invariants.ts';
import type { Machine } from './machine.ts';
import type { Person } from './person.ts';
import type { Scenario } from './scenarios.ts';

interface Finding {
  readonly kind: string;
  readonly subject: string;
  readonly what: string;
}

/** Undefined when the scenario came to its end before the point. The daemon runs without replay afterwards. */
export async function missedByFsck(
  machine: Machine,
  scenario: Scenario,
  person: Person,
  point: number,
): Promise<readonly string[] | undefined> {
  await machine.order(point);
  try {
    await scenario.run(person);
    if (await machine.disarm()) return undefined;
  } catch (error) {
    if (!(error instanceof Cut)) throw error;
  }
  await machine.end();
  await machine.start({ env: { GANTRY_NO_REPLAY: '1' } });
  const left = leftBehind(machine);
  const { findings } = await machine.client.get<{ findings: readonly Finding[] }>('/gantry/fsck');
  const named = namedBy(findings, readBooks(machine.dataRoot));
  return left.filter((fault) => !isNamed(fault, named)).map((fault) => `fsck does not name it: ${fault}`);
}

/** The words of all findings, and of the cut-off operations among them: what those were about to make is named there. */
function namedBy(findings: readonly Finding[], books: Books): string {
  const operations = books.intents.filter(({ object }) =>
    findings.some(({ kind, subject, what }) => kind === 'operation' && `${subject} ${what}`.includes(object)),
  );
  return JSON.stringify([findings, operations]);
}

/** Blobs and layers that are to go are one effect on the books, whichever they are. */
function isContent(fault: string, named: string): boolean {
  return /^(layer|blob) left: |short names/.test(fault) && named.includes('unpacked-image/');
}

/** A fault ends with what it is about: a key, an id, a name, or a path that has an id in it. */
function isNamed(fault: string, named: string): boolean {
  if (isContent(fault, named)) return true;
  const about = fault.slice(fault.indexOf(': ') + 2).replace(/ of \S+$/, '');
  const ids = about.match(/[0-9a-f]{64}/g) ?? [];
  return [about, ...about.split(' '), ...ids].some((word) => named.includes(word));
}
