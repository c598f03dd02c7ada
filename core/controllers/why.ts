/** `gantry driver why OBJECT`: what it depends on, what waits, and what would mend it; told from the books alone. */
import type { DriverRow } from '../host/driver-record.ts';
import type { LockKey } from '../store/locks.ts';
import type { Replay } from '../store/replay.ts';
import { mendsOf } from './why/mends.ts';
import { type Books, type Dependency, findSubject, type Subject } from './why/subject.ts';

export interface Why {
  readonly object: string;
  readonly title: string;
  readonly state: string;
  readonly drivers: readonly Needed[];
  readonly waiting: readonly Waiting[];
  /** One imperative sentence each; empty when nothing is wrong. */
  readonly mends: readonly string[];
}

/** A driver that the object needs; `row` is absent when nobody has ever seen it. */
export interface Needed extends Dependency {
  readonly row: DriverRow | undefined;
}

export interface Waiting {
  readonly kind: 'operation' | 'key' | 'effect';
  readonly what: string;
  readonly reason?: string;
}

export interface WhyParts extends Books {
  readonly replay: Replay;
  readonly host: { list(): readonly DriverRow[] };
}

/** Errors: NotFound, with near names. */
export function why(parts: WhyParts, reference: string): Why {
  const subject = findSubject(parts, reference);
  const rows = parts.host.list();
  const drivers = subject.dependencies.map((one) => ({ ...one, row: rowOf(rows, one) }));
  const waiting = waitingFor(parts, subject);
  const { object, title, state } = subject;
  return { object, title, state, drivers, waiting, mends: mendsOf(object, drivers, waiting) };
}

/** A plugin that has not been activated yet has a row without a point. */
function rowOf(rows: readonly DriverRow[], { point, name }: Dependency): DriverRow | undefined {
  return (
    rows.find((row) => row.point === point && row.name === name) ??
    rows.find((row) => row.point === '' && row.name === name)
  );
}

function waitingFor({ store, locks, replay }: WhyParts, { object }: Subject): readonly Waiting[] {
  const reason = replay.waiting().get(object);
  const because = reason === undefined ? {} : { reason };
  const held = locks.isHeld(object as LockKey);
  const operations = store
    .openOperations()
    .filter((open) => open.object === object)
    .map(
      ({ name }): Waiting => ({
        kind: 'operation',
        what: `operation ${name} is ${held ? 'under way' : 'open: it was cut off'}`,
        ...because,
      }),
    );
  const keys = held ? [{ kind: 'key' as const, what: `key ${object} is held: its next writer waits` }] : [];
  const effects = (held ? [] : store.effectsOf(object))
    .filter((effect) => replay.isLeftOver(effect) && !store.isUndone(effect))
    .map(({ key }): Waiting => ({ kind: 'effect', what: `effect ${key} is left over`, ...because }));
  return [...operations, ...keys, ...effects];
}
