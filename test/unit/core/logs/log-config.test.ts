/** What Docker says of log drivers and their options. */
import t from 'tap';
import {
  DEFAULT_LOG_CONFIG,
  logLimits,
  mergeLogConfig,
} from '../../../../core/controllers/logs/log-config.ts';

t.test('how a log is kept', async (t) => {
  const json = (Config: Record<string, string>) => logLimits({ Type: 'json-file', Config });
  t.same(json({}), { maxBytes: undefined, maxFiles: 1 });
  t.same(json({ 'max-size': '10m', 'max-file': '3', compress: 'true' }), {
    maxBytes: 10_000_000,
    maxFiles: 3,
  });
  t.equal(json({ 'max-size': '1.5 KiB' }).maxBytes, 1500, 'as Docker: the letter counts');
  t.equal(json({ 'max-size': '100' }).maxBytes, 100);
  t.same(json({ mode: 'non-blocking', 'max-buffer-size': '4m', labels: 'a', tag: '{{.Name}}' }).maxFiles, 1);
  t.same(logLimits({ Type: 'local', Config: {} }), { maxBytes: 20_971_520, maxFiles: 5 });
  t.same(logLimits({ Type: 'none', Config: { any: 'thing' } }), { maxBytes: undefined, maxFiles: 1 });
});

const REFUSED: readonly (readonly [type: string, config: Record<string, string>, words: string])[] = [
  ['json-file', { size: '1' }, "unknown log opt 'size' for json-file log driver"],
  ['local', { size: '1' }, "unknown log opt 'size' for log driver local"],
  ['syslog', {}, "logger: no log driver named 'syslog' is registered"],
  ['constructor', {}, "logger: no log driver named 'constructor' is registered"],
  ['json-file', { mode: 'x' }, 'logger: logging mode not supported: x'],
  [
    'json-file',
    { 'max-buffer-size': '1m' },
    "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
  ],
  ['json-file', { 'max-buffer-size': 'x', mode: 'non-blocking' }, "invalid size: 'x'"],
  ['json-file', { 'max-size': '1q' }, "invalid size: '1q'"],
  ['json-file', { 'max-size': '-1' }, "invalid size: '-1'"],
  ['json-file', { 'max-size': '0' }, 'max-size must be a positive number'],
  ['json-file', { 'max-file': '0' }, 'max-file cannot be less than 1'],
  ['json-file', { 'max-file': 'x' }, 'invalid value for max-file: x is not a whole number'],
  ['json-file', { compress: 'x' }, 'invalid boolean value for compress: "x"'],
  [
    'json-file',
    { compress: 'true', 'max-file': '2' },
    'compress cannot be true when max-file is less than 2 or max-size is not set',
  ],
];

t.test('what is refused', async (t) => {
  for (const [Type, Config, message] of REFUSED) {
    t.throws(() => logLimits({ Type, Config }), { kind: 'InvalidArgument', message }, message);
  }
});

t.test("the container's wish over the daemon's default", async (t) => {
  const defaults = { Type: 'local', Config: { 'max-size': '1m', 'max-file': '2' } };
  t.same(mergeLogConfig(undefined, defaults), defaults);
  t.same(mergeLogConfig({ Type: '', Config: { 'max-file': '3' } }, defaults), {
    Type: 'local',
    Config: { 'max-size': '1m', 'max-file': '3' },
  });
  t.same(mergeLogConfig({ Type: 'json-file', Config: null }, defaults), DEFAULT_LOG_CONFIG);
});
