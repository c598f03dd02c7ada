/** An idle daemon collects its garbage, and begins to count anew with each touch. */
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { IdleCollector } from '../../../core/idle.ts';

/** Nothing but the answer holds it, and V8 sees no need to look at so little. */
function forgotten(): WeakRef<object> {
  return new WeakRef({ some: 'garbage' });
}

async function isCollected(garbage: WeakRef<object>, withinMs: number): Promise<boolean> {
  for (const end = performance.now() + withinMs; performance.now() < end; await delay(5)) {
    if (garbage.deref() === undefined) return true;
  }
  return false;
}

t.test('collects when nothing has touched it for a while, each time anew', async (t) => {
  const idle = new IdleCollector(50);
  for (const _ of [1, 2]) {
    const garbage = forgotten();
    t.notOk(await isCollected(garbage, 100), 'by itself nothing is collected');
    idle.touched();
    t.ok(await isCollected(garbage, 30_000));
  }
});
