/** What Docker says of log drivers and their options. */
import t from 'tap';
import {
  allowedLag,
  cacheLimits,
  DEFAULT_LOG_CONFIG,
  driverOptions,
  isCached,
  mergeLogConfig,
} from '../../../../core/controllers/logs/log-config.ts';
import { jsonFileDriver } from '../../../../drivers/log-json-file/driver.ts';
import { localDriver } from '../../../../drivers/log-local/driver.ts';
import { fileLimits } from '../../../../plugin-sdk/logs/options.ts';

const NO_LIMITS = { maxBytes: undefined, maxFiles: 1, compress: false };

t.test('how a log is kept', async (t) => {
  t.same(fileLimits({}, NO_LIMITS), NO_LIMITS);
  t.same(fileLimits({ 'max-size': '10m', 'max-file': '3', compress: 'true' }, NO_LIMITS), {
    maxBytes: 10_000_000,
    maxFiles: 3,
    compress: true,
  });
  t.equal(fileLimits({ 'max-size': '1.5 KiB' }, NO_LIMITS).maxBytes, 1500, 'as Docker: the letter counts');
  t.equal(fileLimits({ 'max-size': '100' }, NO_LIMITS).maxBytes, 100);
  const local = { maxBytes: 20, maxFiles: 5, compress: true };
  t.same(fileLimits({ 'max-file': '1' }, local), { maxBytes: 20, maxFiles: 1, compress: false });
});

const REFUSED: readonly (readonly [driver: string, options: Record<string, string>, words: string])[] = [
  ['json-file', { size: '1' }, "unknown log opt 'size' for json-file log driver"],
  ['local', { size: '1' }, "unknown log opt 'size' for log driver local"],
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

t.test('what a driver refuses', async (t) => {
  const drivers = { 'json-file': jsonFileDriver(), local: localDriver() };
  const { signal } = new AbortController();
  for (const [name, options, message] of REFUSED) {
    const driver = drivers[name as keyof typeof drivers];
    await t.rejects(
      async () => driver.check?.({ options }, { signal }),
      { kind: 'InvalidArgument', message },
      message,
    );
  }
  const tagged = { labels: 'a', tag: '{{.Name}}' };
  t.same(await drivers['json-file'].check?.({ options: tagged }, { signal }), { shown: true });
  t.same(await drivers.local.check?.({ options: tagged }, { signal }), { shown: false });
});

t.test('what the host refuses, and keeps from drivers', async (t) => {
  const merged = (Config: Record<string, string>) =>
    mergeLogConfig({ Type: 'any', Config }, DEFAULT_LOG_CONFIG);
  const refused: readonly (readonly [Record<string, string>, string])[] = [
    [{ mode: 'x' }, 'logger: logging mode not supported: x'],
    [
      { 'max-buffer-size': '1m' },
      "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
    ],
    [{ 'max-buffer-size': 'x', mode: 'non-blocking' }, "invalid size: 'x'"],
    [{ 'cache-disabled': 'maybe' }, 'invalid boolean value for cache-disabled: "maybe"'],
  ];
  for (const [config, message] of refused) {
    t.throws(() => merged(config), { kind: 'InvalidArgument', message }, message);
  }
  const config = merged({ mode: 'non-blocking', 'max-buffer-size': '4m', own: 'x' });
  t.same(driverOptions(config), { own: 'x' });
  t.equal(allowedLag(config), 4 * 1024 * 1024);
  t.equal(allowedLag(merged({ mode: 'non-blocking' })), 1024 * 1024);
  t.equal(allowedLag(merged({})), undefined);
  t.same(cacheLimits(merged({})), { keptBytes: 4 * 20_971_520, segmentBytes: 20_971_520 });
  t.same(cacheLimits(merged({ 'cache-max-size': '1k', 'cache-max-file': '2' })), {
    keptBytes: 1000,
    segmentBytes: 1000,
  });
  t.notOk(isCached(merged({ 'cache-disabled': 'true' })));
  t.equal(cacheLimits(merged({ 'cache-disabled': 'true' })).keptBytes, 0);
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
