/** The event log and its file; which events a filter lets through. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type EventMessage, toEvent } from '../../../../core/events/event.ts';
import { eventFilter } from '../../../../core/events/event-filter.ts';
import { EventLog } from '../../../../core/events/event-log.ts';

const log = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

t.test('keeps the last thousand, in order, over a restart', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-events-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'kept', 'events.jsonl');
  const first = await EventLog.open(file, log);
  for (let count = 0; count < 4_500; count += 1) first.emit('volume', 'create', `v${count}`);
  const before = first.past();
  t.equal(before.length, 1_000);
  t.ok(before.every(({ at }, index) => index === 0 || at > (before[index - 1]?.at ?? 0n)));
  await first.close();

  const second = await EventLog.open(file, log);
  t.same(second.past(), before);
  t.equal(second.past().at(-1)?.id, 'v4499');
  second.emit('volume', 'destroy', 'v0');
  await second.close();
  t.ok(readFileSync(file, 'utf8').split('\n').length < 4_100);
});

t.test('a line that was cut off takes no other with it', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-events-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'events.jsonl');
  const first = await EventLog.open(file, log);
  first.emit('volume', 'create', 'a');
  await first.close();
  appendFileSync(file, '{"Type":"volume","Acti');
  const second = await EventLog.open(file, log);
  second.emit('volume', 'create', 'b');
  await second.close();
  const third = await EventLog.open(file, log);
  t.same(
    third.past().map(({ id }) => id),
    ['a', 'b'],
  );
  await third.close();
});

function event(parts: Partial<EventMessage>): EventMessage {
  const plain = {
    type: 'container',
    action: 'start',
    id: 'abcdef',
    attributes: {},
    scope: 'local',
    at: 1n,
  } as const;
  return toEvent({ ...plain, ...parts });
}

t.test('filters', async (t) => {
  const box = event({ attributes: { name: 'box', image: 'busybox:1.36', tier: 'web' } });
  const image = event({
    type: 'image',
    action: 'tag',
    id: 'sha256:12',
    attributes: { name: 'r:5000/a/b:v1' },
  });
  const exec = event({ action: 'exec_create: sh -c ls', attributes: { name: 'box' } });
  const cases: readonly [
    name: string,
    filters: Record<string, string[]>,
    of: EventMessage,
    shown: boolean,
  ][] = [
    ['none', {}, box, true],
    ['beginning of the id', { container: ['abc'] }, box, true],
    ['beginning of the name', { container: ['bo'] }, box, true],
    ['another container', { container: ['ox'] }, box, false],
    ['one of several', { container: ['x', 'box'] }, box, true],
    ['another object', { volume: ['box2'] }, box, false],
    ['image without its tag', { image: ['busybox'] }, box, true],
    ['image with its tag', { image: ['busybox:1.36'] }, box, true],
    ['image with another tag', { image: ['busybox:1'] }, box, false],
    ['the event of an image', { image: ['r:5000/a/b'] }, image, true],
    ['the id of an image', { image: ['sha256:12'] }, image, true],
    ['type', { type: ['image'] }, box, false],
    ['event', { event: ['start', 'die'] }, box, true],
    ['event that begins alike', { event: ['sta'] }, box, false],
    ['event that goes on', { event: ['exec_create'] }, exec, true],
    ['event that goes on, in full', { event: ['exec_create: sh -c ls'] }, exec, true],
    ['label', { label: ['tier'] }, box, true],
    ['label with its value', { label: ['tier=web', 'name=box'] }, box, true],
    ['one label of two', { label: ['tier=web', 'x'] }, box, false],
    ['scope', { scope: ['swarm'] }, box, false],
    ['all must hold', { type: ['container'], event: ['die'] }, box, false],
    ['unknown', { nonsense: ['x'] }, box, true],
  ];
  for (const [name, filters, of, shown] of cases) {
    t.equal(eventFilter(new Map(Object.entries(filters)))(of), shown, name);
  }
});
