/** What can come next on a command line, off the command table; and bash itself, asking. */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import t from 'tap';
import { COMMANDS } from '../../../../core/cli/commands.ts';
import { candidatesFor } from '../../../../core/cli/completion/candidates.ts';
import { sinceOf } from '../../../../core/cli/driver-logs.ts';

const GANTRY = resolve(import.meta.dirname, '../../../../core/bin/gantry');

t.test('words, flags and values come from the table', async (t) => {
  const top = ['driver', 'fsck', 'doctor', 'completion', 'help'];
  const global = ['--host', '--version', '--help'];
  const rows: readonly (readonly [string, readonly string[], unknown?])[] = [
    ['', top],
    ['dri', top],
    ['-H unix:///x ', top],
    ['driver ', ['ls', 'inspect', 'why', 'logs', 'serve']],
    ['help ', ['driver', 'fsck', 'doctor', 'completion']],
    ['help driver ', ['ls', 'inspect', 'why', 'logs', 'serve']],
    ['driver inspect ', [], 'driver'],
    ['driver inspect local ', []],
    ['driver why ', [], 'object'],
    ['driver serve ', [], 'builtin'],
    ['completion ', [], ['bash', 'zsh', 'fish']],
    ['-', global],
    ['fsck --', ['--repair', '--format', ...global]],
    ['fsck --repair --', ['--format', ...global]],
    ['driver logs -f -', ['--tail', '--since', '--format', ...global]],
    ['driver logs --tail ', []],
    ['driver logs --tail 5 ', [], 'driver'],
    ['driver logs -n 5 ', [], 'driver'],
    ['driver logs -- -', [], 'driver'],
    ['fsck --format ', ['json']],
    ['fsck --format=', ['--format=json']],
    ['driver serve x --wire ', ['docker', 'json-rpc']],
    ['driver serve x --root ', [], 'directory'],
    ['driver serve x --socket ', [], 'file'],
    ['zebra ', []],
  ];
  for (const [line, known, offer] of rows) {
    const found = candidatesFor(line.split(' '), COMMANDS);
    t.same(
      found.known.map(({ text }) => text),
      known,
      line,
    );
    t.same(found.offer, offer, line);
  }
  t.equal(candidatesFor('--host=tcp://a:1 driver inspect '.split(' '), COMMANDS).host, 'tcp://a:1');
  t.equal(candidatesFor('driver inspect -H unix:///x '.split(' '), COMMANDS).host, 'unix:///x');
});

/** What bash would put in the place of the word before the cursor. */
function bash(line: string, cwd?: string): readonly string[] {
  const script = `source <(${GANTRY} completion bash)
    complete -p gantry >&2
    COMP_LINE=$1 COMP_POINT=\${#1}
    _gantry ${GANTRY}
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', script, 'bash', line], {
    cwd,
    encoding: 'utf8',
  });
  t.match(stderr, /complete -F _gantry gantry/);
  return stdout.split('\n').filter(Boolean);
}

t.test('bash completes by it', async (t) => {
  const rows: readonly (readonly [string, readonly string[]])[] = [
    ['gantry dri', ['driver']],
    ['gantry driver ', ['ls', 'inspect', 'why', 'logs', 'serve']],
    ['gantry driver l', ['ls', 'logs']],
    ['gantry fsck --re', ['--repair']],
    ['gantry fsck --format=j', ['json']],
    ['gantry driver serve vol', ['volume-local']],
    ['gantry completion "', ['bash', 'zsh', 'fish']],
    ['gantry driver serve x --root ', ['bin', 'cli']],
    ['gantry nothing like it ', []],
    ['gantry -H unix:///nowhere driver inspect ', []],
  ];
  const core = resolve(GANTRY, '../..');
  for (const [line, expected] of rows) {
    const found = bash(line, core);
    if (line.includes('--root'))
      t.same(
        expected.filter((name) => !found.includes(name)),
        [],
        line,
      );
    else t.same(found, expected, line);
  }
});

const isInstalled = (shell: string) => spawnSync(shell, ['-c', 'true']).status === 0;
const skipped = (shell: string) => (isInstalled(shell) ? {} : { skip: `${shell} is not installed` });

t.test('zsh completes by it', skipped('zsh'), async (t) => {
  // What zsh shows is drawn on a terminal, so its builtin is stood in for by one that prints what it was given.
  const script = `compdef() { }; _describe() { shift; print -rl -- "\${(P@)1}" }; _files() { print -r -- "files $*" }
    source <(${GANTRY} completion zsh)
    words=(${GANTRY} "$@"); CURRENT=$#words
    _gantry`;
  const zsh = (...words: readonly string[]) => {
    const { stdout, stderr } = spawnSync('zsh', ['-f', '-c', script, 'zsh', ...words], { encoding: 'utf8' });
    t.equal(stderr, '');
    return stdout.split('\n').filter(Boolean);
  };
  t.match(zsh('driver', 'l'), [/^ls:List drivers/, /^logs:Show/]);
  t.match(zsh('fsck', '--re'), [/^--repair:Settle/]);
  t.same(zsh('driver', 'serve', 'x', '--root', ''), ['files -/']);
  t.match(zsh('driver', 'serve', 'volume'), [/^volume-local:gantry\.volume\.v1$/]);
});

t.test('fish completes by it', skipped('fish'), async (t) => {
  const fish = (line: string) => {
    const script = `${GANTRY} completion fish | source; complete -C ${JSON.stringify(line)}`;
    const env = { ...process.env, PATH: `${resolve(GANTRY, '..')}:${process.env.PATH}` };
    const { stdout, stderr } = spawnSync('fish', ['--no-config', '-c', script], { encoding: 'utf8', env });
    t.equal(stderr, '');
    return stdout.split('\n').filter(Boolean);
  };
  t.match(fish('gantry driver l'), [/^logs\tShow/, /^ls\tList drivers/]);
  t.match(fish('gantry fsck --re'), [/^--repair\tSettle/]);
  t.match(fish('gantry driver serve volume'), [/^volume-local\tgantry/]);
});

t.test('times of the log', async (t) => {
  const now = Date.parse('2026-01-02T00:00:00Z');
  const rows: readonly (readonly [string, string])[] = [
    ['10m', '1767311400'],
    ['1h30m', '1767306600'],
    ['1767311400.5', '1767311400.5'],
    ['2026-01-01T23:50:00Z', '1767311400'],
  ];
  for (const [text, seconds] of rows) t.equal(sinceOf(text, now), seconds, text);
  t.throws(() => sinceOf('yesterday', now), { code: 'USAGE' });
});
