import t from 'tap';
import { age } from '../../../../core/cli/age.ts';
import { parseCommand } from '../../../../core/cli/args.ts';
import type { Command } from '../../../../core/cli/command.ts';
import { COMMANDS } from '../../../../core/cli/commands.ts';
import { help } from '../../../../core/cli/help.ts';
import { main } from '../../../../core/cli/main.ts';
import { short, table } from '../../../../core/cli/table.ts';

async function gantry(args: readonly string[], host = '', commands: readonly Command[] = COMMANDS) {
  const said = { out: '', err: '', code: 0 };
  said.code = await main(
    args,
    {
      environment: { host, path: [] },
      print: (text) => {
        said.out += text;
      },
      complain: (text) => {
        said.err += text;
      },
    },
    commands,
  );
  return said;
}

t.test('commands, flags and operands', async (t) => {
  const rows: readonly { args: string; words: string; operands?: readonly string[]; values?: object }[] = [
    { args: 'driver ls', words: 'driver ls' },
    { args: 'driver ls --format json', words: 'driver ls', values: { format: 'json' } },
    { args: 'driver ls --format=json', words: 'driver ls', values: { format: 'json' } },
    { args: '-H unix:///x driver ls', words: 'driver ls', values: { host: 'unix:///x' } },
    { args: '-Hunix:///x driver ls', words: 'driver ls', values: { host: 'unix:///x' } },
    { args: '--host=unix:///x fsck --repair', words: 'fsck', values: { host: 'unix:///x', repair: true } },
    { args: 'fsck -H unix:///x', words: 'fsck', values: { host: 'unix:///x' } },
    { args: 'driver why volume/a', words: 'driver why', operands: ['volume/a'] },
    { args: 'driver inspect --format json local', words: 'driver inspect', operands: ['local'] },
    { args: 'driver inspect -- --odd', words: 'driver inspect', operands: ['--odd'] },
    { args: 'doctor', words: 'doctor' },
  ];
  for (const { args, words, operands = [], values = {} } of rows) {
    const parsed = parseCommand(args.split(' '), COMMANDS);
    if (parsed.action !== 'run') return t.fail(`${args}: ${parsed.action}`);
    t.equal(parsed.command.words.join(' '), words, args);
    t.same(parsed.operands, operands, args);
    t.match(parsed.values, values, args);
  }
});

t.test('version and help exit with 0', async (t) => {
  for (const args of ['--version', '-v', 'driver ls --version']) {
    t.match(await gantry(args.split(' ')), { code: 0, out: /^gantry \d+\.\d+\.\d+\n$/, err: '' }, args);
  }
  const rows: readonly [string, RegExp][] = [
    ['--help', /Commands:[\s\S]*driver ls[\s\S]*doctor[\s\S]*Examples:[\s\S]*Exit status/],
    ['-h', /Usage: gantry \[-H HOST\] COMMAND/],
    ['help', /Usage: gantry \[-H HOST\] COMMAND/],
    ['driver --help', /Usage: gantry driver COMMAND[\s\S]*driver why OBJECT/],
    ['help driver', /Usage: gantry driver COMMAND/],
    ['driver ls --help', /Usage: gantry driver ls \[--format FORMAT\]/],
    ['help driver why', /Usage: gantry driver why OBJECT/],
    ['fsck -h', /--repair[\s\S]*never removes a volume/],
    ['driver why --help', /Examples:\n {2}gantry driver why web/],
  ];
  for (const [args, out] of rows) t.match(await gantry(args.split(' ')), { code: 0, out, err: '' }, args);
});

t.test('wrong usage exits with 2 and says what was meant', async (t) => {
  const rows: readonly [string, RegExp][] = [
    ['', /no command given\n {2}see gantry --help/],
    ['-H', /-H needs a value/],
    ['--host= driver ls', /--host needs a value/],
    ['drivr ls', /unknown command "drivr": did you mean "driver"\?/],
    ['doctr', /unknown command "doctr": did you mean "doctor"\?/],
    ['zebra', /unknown command "zebra"\n/],
    ['driver', /driver: one of ls, inspect, why, logs, serve missing\n {2}see gantry driver --help/],
    ['driver lss', /unknown command "driver lss": did you mean "ls" or "logs"\?/],
    ['help drivr', /did you mean "driver"/],
    ['driver ls now', /driver ls: unexpected "now"/],
    ['driver inspect', /driver inspect: NAME missing\n {2}see gantry driver inspect --help/],
    ['driver ls --format xml', /--format can be "json", not "xml"/],
    ['fsck --repiar', /unknown flag "--repiar": did you mean "--repair"\?/],
    ['fsck --repair=no', /--repair takes no value/],
    ['fsck --constructor', /unknown flag "--constructor"/],
    ['--wat driver ls', /unknown flag "--wat"/],
    ['-H ssh://x driver ls', /cannot ask a daemon at "ssh:\/\/x"\n {2}say unix:\/\/PATH/],
  ];
  for (const [args, err] of rows) {
    t.match(await gantry(args.split(' ').filter(Boolean)), { code: 2, err, out: '' }, args);
  }
});

t.test('a daemon that is not there is 1, with the remedy; a flag beats the environment', async (t) => {
  const absent = await gantry(['driver', 'ls'], 'unix:///nowhere/a.sock');
  t.match(absent, {
    code: 1,
    err: /no daemon answers at unix:\/\/\/nowhere\/a\.sock: .*ENOENT.*\n {2}start one with gantryd/,
  });
  const flag = await gantry(['-H', 'unix:///nowhere/b.sock', 'fsck'], 'unix:///nowhere/a.sock');
  t.match(flag.err, /nowhere\/b\.sock/);
});

t.test('every command is described, has examples of itself, and can be loaded', async (t) => {
  for (const command of COMMANDS) {
    const name = command.words.join(' ');
    t.ok(command.summary.length < 90, name);
    for (const example of command.examples) t.ok(example.startsWith(`gantry ${name}`), example);
    t.type((await command.load()).run, 'function', name);
    const longest = Math.max(
      ...help(command.words, COMMANDS)
        .split('\n')
        .map((line) => line.length),
    );
    t.ok(longest <= 130, `${name}: help lines of at most 130 characters`);
  }
});

t.test('columns and ages', async (t) => {
  t.equal(table(['A', 'LONG'], [['xyz', '1']]), 'A    LONG\nxyz  1\n');
  t.equal(short('a\n b  c', 10), 'a b c');
  t.equal(short('abcdef', 4), 'abc…');
  const now = Date.parse('2026-01-02T00:00:00Z');
  const rows: readonly [string, string][] = [
    ['2026-01-02T00:00:05Z', '0s'],
    ['2026-01-01T23:59:01Z', '59s'],
    ['2026-01-01T23:48:00Z', '12m'],
    ['2026-01-01T21:00:00Z', '3h'],
    ['2025-12-28T00:00:00Z', '5d'],
  ];
  for (const [at, text] of rows) t.equal(age(at, now), text, at);
});
