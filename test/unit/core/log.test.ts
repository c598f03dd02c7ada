/** Lines of the daemon's log, in both formats. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import t from 'tap';
import { createLogger, type LogOptions } from '../../../core/log.ts';

function logger(options: LogOptions) {
  const lines: string[] = [];
  return { lines, log: createLogger(options, (line) => void lines.push(line)) };
}

t.test('only what is at its level or above, and a reload changes the level', async (t) => {
  const { lines, log } = logger({ level: 'warn', format: 'text' });
  log.debug({}, 'a');
  log.info({}, 'b');
  log.warn({}, 'c');
  log.error({}, 'd');
  t.equal(lines.length, 2);
  log.level = 'debug';
  log.debug({}, 'e');
  log.level = 'fatal';
  log.error({}, 'f');
  t.equal(lines.length, 3);
});

t.test('text: time, level, message, fields', async (t) => {
  const { lines, log } = logger({ level: 'debug', format: 'text' });
  log.info({ path: '/a/b:c', words: 'two words', count: 3, line: 'a\nb' }, 'said');
  t.match(
    lines[0],
    /^\d{4}-\d\d-\d\dT[\d:.]+Z info {2}said path=\/a\/b:c words="two words" count=3 line="a\\nb"\n$/,
  );
  const cause = new HostError('NotFound', 'X', 'no such thing');
  log.warn({ error: new HostError('Unknown', 'Y', 'look', { cause }) }, 'failed');
  t.match(lines[1], / warn {2}failed error="look: no such thing"\n$/, 'an expected error has no stack');
  log.error({ error: new Error('boom') }, 'failed');
  t.match(lines[2], / error failed error="boom"\nError: boom\n {4}at /);
});

t.test('JSON: one object a line', async (t) => {
  const { lines, log } = logger({ level: 'info', format: 'json' });
  log.error({ error: new HostError('NotFound', 'X', 'no\nsuch'), id: 'a' }, 'failed');
  t.match(JSON.parse(lines[0] ?? ''), {
    level: 'error',
    msg: 'failed',
    time: /Z$/,
    id: 'a',
    error: { message: 'no\nsuch', code: 'X' },
  });
  t.equal(lines[0]?.indexOf('\n'), (lines[0]?.length ?? 0) - 1);
  log.error({ error: new Error('boom') }, 'failed');
  t.match(JSON.parse(lines[1] ?? ''), { error: { message: 'boom', stack: /at / } });
});
