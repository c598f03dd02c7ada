/** The last lines of a driver: bounded, followed, and never held up by a reader. */
import t from 'tap';
import { DriverLog, type LineQuery, loggingTo } from '../../../../core/host/driver-log.ts';

const { signal } = new AbortController();

async function messages(log: DriverLog, query: LineQuery = {}): Promise<readonly unknown[]> {
  const found: unknown[] = [];
  for await (const line of log.read(query, signal)) found.push('lost' in line ? line : line.message);
  return found;
}

t.test('keeps the last lines, in bounds of number and of size', async (t) => {
  const log = new DriverLog();
  for (let n = 0; n < 2500; n++) log.add({ level: 'info', message: String(n) });
  const all = await messages(log);
  t.equal(all.length, 1000);
  t.same([all[0], all.at(-1)], ['1500', '2499']);
  t.same(await messages(log, { tail: 2 }), ['2498', '2499']);
  t.same(await messages(log, { tail: 0 }), []);
  for (let n = 0; n < 300; n++) log.add({ level: 'info', message: 'x'.repeat(10_000) });
  const long = (await messages(log)) as readonly string[];
  const characters = long.reduce((sum, message) => sum + message.length, 0);
  t.ok(characters < 512 * 1024, `${characters}`);
  t.equal(long.at(-1)?.length, 4097);
});

t.test('answers from a time on', async (t) => {
  const log = new DriverLog();
  log.add({ level: 'info', message: 'old' });
  const since = Date.now() + 1;
  while (Date.now() < since) await new Promise((turn) => setImmediate(turn));
  log.add({ level: 'info', message: 'new' });
  t.same(await messages(log, { since }), ['new']);
  t.same(await messages(log, { since: since + 60_000 }), []);
  t.same(await messages(log, { since: 0, tail: 5 }), ['old', 'new']);
});

t.test('a follower gets each line once; a slow one is told how many it lost', async (t) => {
  const log = new DriverLog();
  log.add({ level: 'info', message: 'first' });
  const abort = new AbortController();
  const lines = log.read({ follow: true }, abort.signal);
  t.match((await lines.next()).value, { message: 'first' });
  const next = lines.next();
  log.add({ level: 'info', message: 'second' });
  t.match((await next).value, { message: 'second' });
  for (let n = 0; n < 1500; n++) log.add({ level: 'info', message: String(n) });
  t.same((await lines.next()).value, { lost: 500 });
  t.match((await lines.next()).value, { message: '500' });
  for (let n = 501; n < 1500; n++) await lines.next();
  const end = lines.next();
  abort.abort();
  t.same(await end, { value: undefined, done: true });
});

t.test('what is no JSON, or too much, is left out; an error is its message', async (t) => {
  const log = new DriverLog();
  const heard: unknown[] = [];
  const other = (...line: unknown[]): void => void heard.push(line);
  const logger = loggingTo(log, { debug: other, info: other, warn: other, error: other });
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  logger.info({ err: new Error('disk full'), n: 1 }, 'a');
  logger.info(circle, 'b');
  logger.warn({ text: 'x'.repeat(5000) }, 'c');
  logger.debug({}, 'd');
  const lines: unknown[] = [];
  for await (const line of log.read({}, signal)) lines.push(line);
  t.match(lines, [
    { level: 'info', message: 'a', fields: { err: 'disk full', n: 1 } },
    { level: 'info', message: 'b', fields: undefined },
    { level: 'warn', message: 'c', fields: undefined },
    { level: 'debug', message: 'd', fields: undefined },
  ]);
  t.equal(heard.length, 4);
});
