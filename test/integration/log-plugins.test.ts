/** Docker log plugins with the real daemon: what they are told, and that no line is lost when they hang, die or are slow. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import {
  type LogPlugin,
  type PluginPlace,
  type StoredEntry,
  startGoLogPlugin,
  startLogPlugin,
  startPythonLogPlugin,
} from '../fakes/start-log-plugin.ts';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';

t.setTimeout(300_000);

const LINES = 'i=0; while [ $i -lt COUNT ]; do echo line $i; i=$((i+1)); done';

function placeOf(daemon: TestDaemon, name = 'logs'): PluginPlace {
  return { socket: join(daemon.pluginDir, `${name}.sock`), out: join(daemon.dir, `${name}-out`) };
}

async function withPlugin(
  t: Test,
  more: readonly string[] = [],
): Promise<{ daemon: TestDaemon; plugin: LogPlugin }> {
  const daemon = await startTestDaemon(t);
  await daemon.loadBusybox();
  return { daemon, plugin: await plugged(t, daemon, more) };
}

async function plugged(t: Test, daemon: TestDaemon, more: readonly string[] = []): Promise<LogPlugin> {
  const plugin = await startLogPlugin(placeOf(daemon), more);
  t.teardown(() => plugin.kill());
  return plugin;
}

let count = 0;
async function run(
  daemon: TestDaemon,
  script: string,
  { driver = 'logs', options = [] }: { driver?: string; options?: readonly string[] } = {},
): Promise<{ name: string; id: string }> {
  const name = `c${count++}-${driver}`;
  const wanted = ['--name', name, '--network', 'none', '--log-driver', driver, ...options];
  const { code, stdout, stderr } = await daemon.docker([
    'run',
    '-d',
    ...wanted,
    'busybox',
    'sh',
    '-c',
    script,
  ]);
  if (code !== 0) throw new Error(stderr);
  return { name, id: stdout.trim() };
}

/** Polls until `look` answers something. */
async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  for (let left = 1500; left > 0; left -= 1) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await delay(20);
  }
  throw new Error(`it did not come in time: ${what}`);
}

const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => `line ${from + at}`);
const texts = (entries: readonly StoredEntry[]) => entries.map(({ text }) => text);

/** Each line once, in the order in which it came first. */
function once(entries: readonly StoredEntry[]): string[] {
  return [...new Set(texts(entries))];
}

function writes(count: number, pause = ''): string {
  return LINES.replace('COUNT', String(count)).replace('i=$((i+1));', `i=$((i+1)); ${pause}`);
}

t.test('what a plugin is told and given', async (t) => {
  const { daemon, plugin } = await withPlugin(t);
  const options = ['--log-opt', 'own=x', '-l', 'a=b', '-e', 'E=1'];
  const { name, id } = await run(daemon, 'echo out; echo err >&2; printf end', { options });
  t.equal((await daemon.docker(['wait', name])).stdout, '0\n');
  await until('StopLogging', () => plugin.calls().at(-1)?.method === 'LogDriver.StopLogging');
  const entries = plugin.entries(id);
  t.same(entries.map(({ source, text }) => [source, text]).sort(), [
    ['stderr', 'err'],
    ['stdout', 'end'],
    ['stdout', 'out'],
  ]);
  t.match(entries.find(({ text }) => text === 'end')?.partial, { ordinal: 1, last: false });
  t.match(entries[0]?.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);

  await t.test("Docker's calls, in its order", async (t) => {
    const calls = plugin.calls();
    t.same(
      calls.map(({ method }) => method),
      [
        'Plugin.Activate',
        ...['Capabilities', 'StartLogging', 'StopLogging'].map((word) => `LogDriver.${word}`),
      ],
    );
    const [, capabilities, start = { request: {} }, stop] = calls;
    t.equal(capabilities?.body, '');
    const { File, Info } = start.request as { File: string; Info: object };
    t.match(File, /\/logging\/[0-9a-f]{64}$/);
    t.match(stop?.request, { File });
    t.notOk(existsSync(File), 'the FIFO is gone');
    t.match(Info, {
      Config: { own: 'x' },
      ContainerID: id,
      ContainerName: `/${name}`,
      ContainerEntrypoint: 'sh',
      ContainerArgs: ['-c', 'echo out; echo err >&2; printf end'],
      ContainerImageID: /^sha256:/,
      ContainerImageName: 'busybox',
      ContainerEnv: [/^PATH=/, 'E=1'],
      ContainerLabels: { a: 'b' },
    });
  });

  await t.test('docker logs works by a copy', async (t) => {
    t.match(await daemon.docker(['logs', name]), { code: 0, stdout: 'out\nend', stderr: 'err\n' });
    t.equal((await daemon.docker(['inspect', '-f', '{{.LogPath}}', name])).stdout, '\n');
  });

  await t.test('each start is one of its own, and long lines come in pieces', async (t) => {
    const { name, id } = await run(daemon, 'head -c 40000 /dev/zero | tr "\\0" x; echo; echo end');
    await daemon.docker(['wait', name]);
    await daemon.docker(['start', '-a', name]);
    await until('both runs', () => plugin.entries(id).filter(({ text }) => text === 'end').length === 2);
    const pieces = plugin.entries(id).slice(0, 3);
    t.same(
      pieces.map(({ text, partial }) => [text.length, partial?.ordinal, partial?.last]),
      [
        [16_384, 1, false],
        [16_384, 2, false],
        [7_232, 3, true],
      ],
    );
    t.equal(new Set(pieces.map(({ partial }) => partial?.id)).size, 1);
  });

  await t.test('what it refuses fails the start, in its words', async (t) => {
    const wanted = ['--network', 'none', '--log-driver', 'logs', '--log-opt', 'fail=not today'];
    const { code, stderr } = await daemon.docker(['run', '--rm', ...wanted, 'busybox', 'true']);
    t.equal(code, 125);
    t.match(stderr, 'failed to initialize logging driver: not today');
  });

  await t.test('without the copy there is nothing to read', async (t) => {
    const { name } = await run(daemon, 'echo x', { options: ['--log-opt', 'cache-disabled=true'] });
    await daemon.docker(['wait', name]);
    const { code, stderr } = await daemon.docker(['logs', name]);
    t.equal(code, 1);
    t.match(stderr, 'configured logging driver does not support reading');
  });
});

t.test('one that hangs stops nobody, and gets every line later', async (t) => {
  const { daemon, plugin } = await withPlugin(t);
  const { name, id } = await run(daemon, `${writes(100)}; read x; ${writes(60_000)}`, { options: ['-i'] });
  await until('the first lines', () => plugin.entries(id).length === 100);
  plugin.process.kill('SIGSTOP');
  t.teardown(() => plugin.process.kill('SIGCONT'));
  await daemon.docker(['attach', '--sig-proxy=false', name], { input: 'go\n' });
  t.equal((await daemon.docker(['wait', name])).stdout, '0\n', 'it wrote everything and ended');
  const { stdout } = await daemon.docker(['logs', '--tail', '1', name]);
  t.equal(stdout, 'line 59999\n', 'docker logs does not wait for the plugin');
  plugin.process.kill('SIGCONT');
  await until('every line', () => plugin.entries(id).length >= 60_100);
  t.same(texts(plugin.entries(id)), [...lines(0, 100), ...lines(0, 60_000)], 'once each, in order');
});

t.test('one that is killed gets every line when it is back', async (t) => {
  const { daemon, plugin } = await withPlugin(t);
  const { id } = await run(daemon, writes(4000, 'if [ $((i % 100)) = 0 ]; then sleep 0.05; fi;'));
  await until('some lines', () => plugin.entries(id).length > 500);
  await plugin.kill();
  await delay(500);
  const again = await plugged(t, daemon);
  await until('every line', () => once(again.entries(id)).length === 4000);
  t.same(once(again.entries(id)), lines(0, 4000));
});

t.test('a daemon that is killed and comes back loses no line', async (t) => {
  const { daemon, plugin } = await withPlugin(t);
  const { id } = await run(daemon, writes(4000, 'if [ $((i % 100)) = 0 ]; then sleep 0.05; fi;'));
  await until('some lines', () => plugin.entries(id).length > 500);
  await daemon.kill();
  await delay(300);
  await daemon.restart();
  await until('every line', () => once(plugin.entries(id)).length === 4000);
  t.same(once(plugin.entries(id)), lines(0, 4000));
  t.ok(plugin.entries(id).length < 4500, 'few come twice', { entries: plugin.entries(id).length });
});

t.test('both are killed', async (t) => {
  const { daemon, plugin } = await withPlugin(t);
  const { name, id } = await run(daemon, writes(4000, 'if [ $((i % 100)) = 0 ]; then sleep 0.05; fi;'));
  await until('some lines', () => plugin.entries(id).length > 500);
  plugin.process.kill('SIGSTOP');
  await delay(200);
  await daemon.kill();
  await plugin.kill();
  await daemon.restart();
  t.match(
    (await daemon.docker(['logs', '--tail', '1', name])).stdout,
    /^line \d+\n$/,
    'read while the plugin is away',
  );
  const again = await plugged(t, daemon);
  await until('every line', () => once(again.entries(id)).length === 4000);
  t.same(once(again.entries(id)), lines(0, 4000));
});

t.test('one that is away', async (t) => {
  const { daemon, plugin } = await withPlugin(t);
  await run(daemon, 'true');
  await plugin.kill();

  await t.test('its containers run, and a removed one leaves its lines', async (t) => {
    const script = `${writes(2000)}; echo done >&2`;
    const wanted = ['--network', 'none', '--log-driver', 'logs', '--name', 'gone'];
    const { id } = await run(daemon, writes(10));
    const ran = await daemon.docker(['run', '--rm', ...wanted, 'busybox', 'sh', '-c', script]);
    t.match(ran, { code: 0, stderr: 'done\n' });
    t.equal(readdirSync(join(daemon.dataRoot, 'log-backlog')).length, 1);
    await daemon.kill();
    await daemon.restart();
    const again = await plugged(t, daemon);
    const gone = await until('the removed one', () => {
      const start = again
        .calls()
        .find(({ request }) => (request.Info as { ContainerName?: string })?.ContainerName === '/gone');
      return (start?.request.Info as { ContainerID: string } | undefined)?.ContainerID;
    });
    await until('its lines', () => again.entries(gone).length === 2001);
    t.same(texts(again.entries(gone).filter(({ source }) => source === 'stdout')), lines(0, 2000));
    await until('the other', () => again.entries(id).length === 10);
    await until('nothing left', () => readdirSync(join(daemon.dataRoot, 'log-backlog')).length === 0);
  });

  await t.test('one that nobody knows is refused', async (t) => {
    const { stderr } = await daemon.docker(['create', '--log-driver', 'nosuch', 'busybox']);
    t.match(stderr, "logger: no log driver named 'nosuch' is registered");
  });
});

t.test('the copy for docker logs has its limits', async (t) => {
  const { daemon, plugin } = await withPlugin(t);
  const options = ['-i', '--log-opt', 'cache-max-size=200k', '--log-opt', 'cache-max-file=2'];
  const script = `${writes(40_000, 'if [ $((i % 1000)) = 0 ]; then sleep 0.1; fi;')}; read x`;
  const { name, id } = await run(daemon, script, { options });
  await until('every line', () => plugin.entries(id).length === 40_000);
  const dir = join(daemon.dataRoot, 'containers', id);
  const segments = () => readdirSync(dir).filter((name) => /^container\.log(\.\d+)?$/.test(name));
  await until('the older ones to go', () => segments().length <= 2);
  const kept = (await daemon.docker(['logs', name])).stdout.trimEnd().split('\n');
  t.same(kept, lines(40_000 - kept.length, 40_000));
  t.ok(kept.length < 20_000, `${kept.length} of 40,000 lines`);
});

t.test('mode=non-blocking gives up the oldest lines of one that is behind', async (t) => {
  const { daemon, plugin } = await withPlugin(t);
  const options = ['-i', '--log-opt', 'mode=non-blocking', '--log-opt', 'max-buffer-size=100k'];
  const { name, id } = await run(daemon, `${writes(10)}; read x; ${writes(50_000)}`, { options });
  await until('the first lines', () => plugin.entries(id).length === 10);
  plugin.process.kill('SIGSTOP');
  t.teardown(() => plugin.process.kill('SIGCONT'));
  await daemon.docker(['attach', '--sig-proxy=false', name], { input: 'go\n' });
  await daemon.docker(['wait', name]);
  plugin.process.kill('SIGCONT');
  await until('the last line', () => plugin.entries(id).at(-1)?.text === 'line 49999');
  const kept = texts(plugin.entries(id)).slice(10);
  t.ok(kept.length < 49_000 && kept.length > 100, `${kept.length} of 50,000 lines`);
  t.equal(new Set(kept).size, kept.length);
  t.match(daemon.log(), 'log lines given up');
});

t.test('one that gives logs back is asked for them', async (t) => {
  const { daemon, plugin } = await withPlugin(t, ['--read-logs']);
  const options = ['-i', '--log-opt', 'cache-disabled=true'];
  const { name, id } = await run(daemon, 'echo one; echo two >&2; read x; echo $x; printf end', { options });
  await until('two lines', () => plugin.entries(id).length === 2);
  t.match(await daemon.docker(['logs', name]), { code: 0, stdout: 'one\n', stderr: 'two\n' });
  t.match((await daemon.docker(['logs', '-t', '--tail', '1', name])).stderr, /^\S{30} two\n$/);
  const followed = daemon.docker(['logs', '-f', name]);
  await until(
    'a follower',
    () => plugin.calls().filter(({ method }) => method === 'LogDriver.ReadLogs').length === 3,
  );
  await daemon.docker(['attach', '--sig-proxy=false', name], { input: 'three\n' });
  t.match(await followed, { code: 0, stdout: 'one\nthree\nend', stderr: 'two\n' });
  t.match((await daemon.docker(['logs', '--since', '1h', name])).stdout, 'one\nthree\nend');
  t.match(plugin.calls().findLast(({ method }) => method === 'LogDriver.ReadLogs')?.request, {
    Info: { ContainerID: id },
    Config: { Since: /^20/, Until: '0001-01-01T00:00:00Z', Tail: -1, Follow: false },
  });
  await t.test('and its copy stands in for it when it is away', async (t) => {
    const { name } = await run(daemon, 'echo kept');
    await daemon.docker(['wait', name]);
    await plugin.kill();
    t.match(await daemon.docker(['logs', name]), { code: 0, stdout: 'kept\n' });
  });
});

for (const language of ['Python', 'Go'] as const) {
  t.test(`a plugin in ${language}`, { skip: missing(language) }, async (t) => {
    const daemon = await startTestDaemon(t);
    await daemon.loadBusybox();
    const place = placeOf(daemon, language.toLowerCase());
    const plugin = await (language === 'Python' ? startPythonLogPlugin(place) : startGo(daemon, place));
    t.teardown(() => plugin.kill());
    const { name, id } = await run(daemon, `${writes(5000)}; echo ä >&2`, { driver: language.toLowerCase() });
    await daemon.docker(['wait', name]);
    await until('every line', () => plugin.entries(id).length === 5001);
    const of = (source: string) => texts(plugin.entries(id).filter((entry) => entry.source === source));
    t.same(of('stdout'), lines(0, 5000));
    t.same(of('stderr'), ['ä']);
  });
}

function startGo(daemon: TestDaemon, place: PluginPlace): Promise<LogPlugin> {
  const program = join(daemon.dir, 'log-plugin-go');
  const source = join(import.meta.dirname, '../fakes/log-plugin-go/main.go');
  const env = { ...process.env, GO111MODULE: 'off', GOFLAGS: '' };
  const { status, stderr } = spawnSync('go', ['build', '-o', program, source], { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`go build: ${stderr}`);
  return startGoLogPlugin(program, place);
}

function missing(language: 'Python' | 'Go'): string | false {
  const [program, argument] = language === 'Python' ? ['python3', '--version'] : ['go', 'version'];
  return spawnSync(program, [argument]).status === 0 ? false : `there is no ${program}`;
}
