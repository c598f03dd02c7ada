/** The docker command at a real terminal: sizes, Ctrl-C, leaving and coming back, exit codes. Needs root. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { startTestDaemon } from '../fixtures/daemon.ts';
import { atTerminal, type Session, type Step } from '../fixtures/terminal.ts';

t.setTimeout(240_000);
const daemon = await startTestDaemon(t);
await daemon.loadBusybox();
const config = join(daemon.dir, 'docker');

/** `config`: of the docker command, other than the default. */
function docker(args: readonly string[], steps: readonly Step[], dir = config) {
  return atTerminal(['docker', '-H', daemon.host, ...args], steps, { DOCKER_CONFIG: dir });
}

async function stateOf(name: string): Promise<{ Running: boolean; ExitCode: number }> {
  const { body } = await daemon.api('GET', `/containers/${name}/json`);
  return (body as { State: { Running: boolean; ExitCode: number } }).State;
}

/** `attach` and `exec` of some versions of the docker command make an error of it, with every engine. */
function hasLeft(t: Test, { shown, code }: Session): void {
  t.ok(code === 0 || shown.includes('read escape sequence'), `left with ${code}: ${shown}`);
}

const RUN = ['run', '-it', '--network', 'none'];
/** Says what it is told, and ends with 4. */
const PARROT = 'echo ready; while read x; do [ "$x" = end ] && exit 4; echo "<$x>"; done';
const KEYS = '\x10\x11';

t.test('sizes, Ctrl-C, and the exit code', async (t) => {
  const script = [
    'trap "echo caught; caught=1" INT; tty',
    'until [ "$(stty size)" = "33 101" ]; do sleep 0.05; done; echo sized',
    'until [ "$(stty size)" = "44 120" ]; do sleep 0.05; done; echo resized',
    'until [ "$caught" ]; do sleep 0.05; done; read x; echo "<$x> $TERM"; exit 9',
  ].join('\n');
  const { shown, code } = await docker(
    [...RUN, '--rm', 'busybox', 'sh', '-c', script],
    [
      { size: [33, 101], see: 'sized\r\n' },
      { size: [44, 120], see: 'resized\r\n' },
      { type: '\x03' },
      { see: 'caught' },
      { type: 'typed\n' },
      { see: '<typed> xterm' },
    ],
  );
  t.match(shown, /\/dev\/(pts\/0|console)\r\n/);
  t.equal(code, 9);
});

t.test('leave with the default keys, and come back', async (t) => {
  const left = await docker(
    [...RUN, '--name', 'stays', 'busybox', 'sh', '-c', PARROT],
    [{ see: 'ready' }, { type: 'one\n' }, { see: '<one>' }, { type: KEYS }],
  );
  t.equal(left.code, 0);
  t.match(await stateOf('stays'), { Running: true });
  const again = await docker(
    ['attach', 'stays'],
    [{ type: 'two\n' }, { see: '<two>' }, { type: '\x10x\n' }, { see: 'x>' }, { type: 'end\n' }],
  );
  t.equal(again.code, 4, 'the exit code is that of the container');
  t.match(await stateOf('stays'), { Running: false, ExitCode: 4 });
  const { stdout } = await daemon.docker(['logs', 'stays']);
  for (const text of ['<one>', '<two>']) t.ok(stdout.includes(text), text);
});

t.test('start -ai, and leave again by keys of its own', async (t) => {
  const left = await docker(
    ['start', '-ai', '--detach-keys', 'ctrl-x,d', 'stays'],
    [{ see: 'ready' }, { type: 'three\n' }, { see: '<three>' }, { type: '\x18' }, { type: 'd' }],
  );
  t.equal(left.code, 0);
  t.match(await stateOf('stays'), { Running: true });
});

t.test('keys from the configuration file', async (t) => {
  const dir = join(daemon.dir, 'with-keys');
  mkdirSync(dir);
  writeFileSync(join(dir, 'config.json'), JSON.stringify({ detachKeys: 'ctrl-]' }));
  const left = await docker(
    ['attach', 'stays'],
    [{ type: 'four\n' }, { see: '<four>' }, { type: '\x1d' }],
    dir,
  );
  hasLeft(t, left);
  t.match(await stateOf('stays'), { Running: true });
});

t.test('exec at a terminal: its exit code, and leaving it', async (t) => {
  const ended = await docker(
    ['exec', '-it', 'stays', 'sh', '-c', PARROT],
    [{ see: 'ready' }, { type: 'five\n' }, { see: '<five>' }, { type: 'end\n' }],
  );
  t.equal(ended.code, 4);
  const left = await docker(
    ['exec', '-it', 'stays', 'sh', '-c', 'echo ready; sleep 12345'],
    [{ see: 'ready' }, { type: KEYS }],
  );
  hasLeft(t, left);
  t.match((await daemon.docker(['top', 'stays'])).stdout, /sleep 12345/);
  const removed = docker(['exec', '-it', 'stays', 'sh', '-c', 'echo ready; sleep 12345'], [{ see: 'ready' }]);
  for (let tries = 0; tries < 500 && !(await execsOf('stays')); tries++) await delay(20);
  await delay(500);
  await daemon.docker(['rm', '-f', 'stays']);
  t.equal((await removed).code, 137, 'its container was killed');
});

async function execsOf(name: string): Promise<number> {
  const { body } = await daemon.api('GET', `/containers/${name}/json`);
  return (body as { ExecIDs: string[] | null }).ExecIDs?.length ?? 0;
}

t.test('signals to the docker command go to the container, unless it is told otherwise', async (t) => {
  const script = 'trap "echo got TERM; exit 3" TERM; echo ready; while :; do echo tick; sleep 0.05; done';
  const start = (args: readonly string[]) => {
    const child = spawn('docker', ['-H', daemon.host, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    return {
      child,
      said: () => said,
      ended: once(child, 'close') as Promise<[number | null, string | null]>,
    };
  };
  const said = async (one: ReturnType<typeof start>, text: string) => {
    for (const end = Date.now() + 30_000; !one.said().includes(text); await delay(10)) {
      if (Date.now() > end) throw new Error(`not said: ${text}`);
    }
  };
  const run = start(['run', '--network', 'none', '--name', 'signaled', 'busybox', 'sh', '-c', script]);
  await said(run, 'ready');
  const deaf = start(['attach', '--sig-proxy=false', '--no-stdin', 'signaled']);
  await said(deaf, 'tick');
  // The docker command itself heeds the third at the latest.
  for (let gone = false; !gone; ) {
    deaf.child.kill('SIGTERM');
    gone = await Promise.race([deaf.ended.then(() => true), delay(200, false)]);
  }
  t.match(await stateOf('signaled'), { Running: true });
  run.child.kill('SIGTERM');
  t.same(await run.ended, [3, null]);
  t.match(run.said(), /got TERM/);
});
