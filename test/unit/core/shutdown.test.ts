/** `--shutdown-timeout`. */
import t from 'tap';
import { stopWithin } from '../../../core/shutdown.ts';

t.test('a stop that hangs is left; one in time, or without a limit, is waited for', async (t) => {
  t.equal(await stopWithin(0.01, () => new Promise(() => {})), false);
  t.equal(await stopWithin(0, () => new Promise(() => {})), false);
  t.equal(await stopWithin(60, async () => {}), true);
  const { promise, resolve } = Promise.withResolvers<void>();
  const waits = stopWithin(-1, () => promise);
  setTimeout(resolve, 20);
  t.equal(await waits, true);
  await t.rejects(
    stopWithin(60, () => Promise.reject(new Error('no'))),
    { message: 'no' },
  );
});
