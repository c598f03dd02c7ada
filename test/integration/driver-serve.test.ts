/**
 * Built-in drivers in processes of their own: used by a stock Docker Engine over Docker's protocol, and by gantryd over
 * JSON-RPC; killed and started again in the middle.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { dockerIsInstalled, startDocker } from '../bench/peer.ts';
import { type Ran, startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';
import { endContainers, unmountBelow } from '../fixtures/left-behind.ts';
import { makeBusyboxArchive } from '../fixtures/make-busybox-image.ts';
import { serveDriver } from './driver-serve/served.ts';

if (process.getuid?.() !== 0) t.plan(0, 'needs root');
t.setTimeout(120_000);

const WAIT_MS = 30_000;

async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  const late = Date.now() + WAIT_MS;
  while (!(await check())) {
    if (Date.now() > late) throw new Error(`waited in vain: ${what}`);
    await delay(30);
  }
}

function run(program: string, args: readonly string[]): Promise<Ran> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  }
  return new Promise((ended) => child.once('close', (code) => ended({ ...said, code: code ?? 128 })));
}

const noDocker = dockerIsInstalled() ? {} : { skip: 'docker.io is not installed' };

t.test(
  'volume and log drivers over Docker’s protocol, used by a stock Docker Engine',
  noDocker,
  async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'gantry-serve-'));
    t.teardown(() => {
      unmountBelow(dir);
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    });
    const engine = await startDocker(join(dir, 'engine'));
    t.teardown(() => engine.stop());
    const socket = join(engine.pluginDir, 'disk.sock');
    const place = { dir: join(dir, 'served'), socket, mountsOf: engine.pids()[0] };
    const docker = async (...args: readonly string[]) => {
      const ran = await run('docker', ['-H', `unix://${engine.socket}`, ...args]);
      return ran.code === 0 ? ran.stdout.trim() : `${ran.code}: ${ran.stderr}`;
    };
    const busybox = (script: string) =>
      docker('run', '--rm', '--network', 'none', '-v', 'notes:/notes', 'busybox', 'sh', '-c', script);

    const first = await serveDriver(t, 'volume-local', place);
    const archive = join(dir, 'busybox.tar');
    makeBusyboxArchive(archive, { tag: 'busybox:latest' });
    t.match(await docker('load', '-i', archive), /busybox:latest/);

    t.equal(await docker('volume', 'create', '-d', 'disk', 'notes'), 'notes');
    t.equal(await busybox('echo one >> /notes/file; cat /notes/file'), 'one');
    const volume = join(place.dir, 'root', 'volume-local', 'notes');
    t.equal(readFileSync(join(volume, 'file'), 'utf8'), 'one\n', 'in the driver’s root');
    t.match(
      await docker('volume', 'create', '-d', 'disk', '-o', 'strange=1', 'bad'),
      /invalid option: "strange"/,
    );

    await first.end('SIGKILL');
    t.ok(existsSync(socket), 'killed: its socket stays');
    const second = await serveDriver(t, 'volume-local', place);
    t.equal(await busybox('echo two >> /notes/file; cat /notes/file'), 'one\ntwo');
    t.equal(await docker('volume', 'ls', '--format', '{{.Driver}} {{.Name}}'), 'disk notes');
    t.equal(
      await docker('volume', 'create', '-d', 'disk', '-o', 'type=tmpfs', '-o', 'device=tmpfs', 'ram'),
      'ram',
    );
    t.match(
      await docker(
        'run',
        '--rm',
        '--network',
        'none',
        '-v',
        'ram:/ram',
        'busybox',
        'grep',
        ' /ram ',
        '/proc/mounts',
      ),
      /^(tmpfs|none) \/ram tmpfs/,
      'a volume with a mount of its own reaches the container',
    );
    t.equal(await docker('volume', 'rm', 'notes', 'ram'), 'notes\nram');
    t.notOk(existsSync(volume));
    t.equal(await second.end('SIGTERM'), 0);
    t.notOk(existsSync(socket), 'ended: its socket is gone');

    // The engine calls a log driver too, and hands the output on through a FIFO.
    const logs = { ...place, socket: join(engine.pluginDir, 'lines.sock') };
    const writer = await serveDriver(t, 'log-json-file', logs);
    const words = ['run', '-d', '--network', 'none', '--log-driver', 'lines', '--log-opt', 'max-size=1m'];
    const id = await docker(...words, 'busybox', 'sh', '-c', 'seq 1 5000; echo end >&2');
    t.equal(await docker('wait', id), '0');
    t.equal(await docker('rm', id), id);
    const file = join(logs.dir, 'root', 'log-json-file', id, `${id}-json.log`);
    const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
    const written = lines.map((line) => JSON.parse(line) as { log: string; stream: string; time: string });
    const of = (wanted: string) => written.filter(({ stream }) => stream === wanted).map(({ log }) => log);
    t.same(
      of('stdout'),
      Array.from({ length: 5000 }, (_, n) => `${n + 1}\n`),
      'every line is there once, in order',
    );
    t.same(of('stderr'), ['end\n']);
    t.match(await docker(...words, '--log-opt', 'odd=1', 'busybox', 'true'), /unknown log opt 'odd'/);
    t.equal(await writer.end('SIGTERM'), 0);
  },
);

/** The docker command's output, or its failure. */
function dockerOf(daemon: TestDaemon) {
  return async (...args: readonly string[]): Promise<string> => {
    const ran = await daemon.docker(args);
    return ran.code === 0 ? ran.stdout.trim() : `${ran.code}: ${ran.stderr}`;
  };
}

t.test('volume-local over JSON-RPC, used by gantryd', async (t) => {
  const daemon = await startTestDaemon(t);
  const docker = dockerOf(daemon);
  const place = {
    dir: join(daemon.dir, 'served'),
    socket: join(daemon.driverDir, 'disk.sock'),
    wire: 'json-rpc' as const,
  };
  const run = ['run', '--network', 'none', '-v', 'notes:/notes'];
  const why = async () => (await daemon.gantry(['driver', 'why', 'web'])).stdout;
  const first = await serveDriver(t, 'volume-local', place);
  await daemon.loadBusybox();
  t.equal(await docker('volume', 'create', '-d', 'disk', 'notes'), 'notes');
  t.equal(
    await docker(...run, '--rm', 'busybox', 'sh', '-c', 'echo one >> /notes/file; cat /notes/file'),
    'one',
  );
  const { stdout: rows } = await daemon.gantry(['driver', 'ls']);
  t.match(rows, /^volume +disk +json-rpc +ready/m);
  t.match(
    await docker('volume', 'create', '-d', 'disk', '-o', 'strange=1', 'bad'),
    /invalid option: "strange"/,
    'its own words',
  );

  await docker(...run, '-d', '--name', 'web', 'busybox', 'sleep', '1000');
  await first.end('SIGKILL');
  t.match(await docker('volume', 'create', '-d', 'disk', 'other'), /disk.*(ECONNREFUSED|connection)/);
  t.equal(await docker('exec', 'web', 'cat', '/notes/file'), 'one', 'containers go on');
  t.equal(await docker('volume', 'ls', '-q'), 'notes', 'readers do not wait for it');
  await docker('kill', 'web');
  await until('the driver is missed', async () => /Waits for\n {2}(?!nothing)/.test(await why()));

  const second = await serveDriver(t, 'volume-local', place);
  await until('the rest is settled', async () => /Waits for\n {2}nothing\n/.test(await why()));
  t.equal(await docker('start', 'web'), 'web');
  t.equal(await docker('exec', 'web', 'cat', '/notes/file'), 'one');
  t.equal(await docker('volume', 'create', '-d', 'disk', 'other'), 'other');

  const { stdout: log } = await daemon.gantry(['driver', 'logs', 'disk']);
  t.match(log, / warn {2}create failed: .*strange.* \[INVALID_VOLUME_OPTION\]$/m);
  t.match(log, / error \w+ failed: .* \[DRIVER_(UNAVAILABLE|CONNECTION_LOST)\]$/m);

  // The daemon killed under it, and started again.
  await daemon.kill();
  await daemon.restart();
  t.equal(await docker('exec', 'web', 'cat', '/notes/file'), 'one');
  t.equal(await docker('rm', '-f', 'web'), 'web');
  t.equal(await docker('volume', 'rm', 'notes', 'other'), 'notes\nother');
  const { stdout: books, code } = await daemon.gantry(['fsck']);
  t.equal(code, 0, books);
  t.equal(await second.end('SIGTERM'), 0);
});

t.test('a runtime and a snapshot driver over JSON-RPC carry whole containers', async (t) => {
  const daemon = await startTestDaemon(t);
  const docker = dockerOf(daemon);
  const dir = join(daemon.dir, 'served');
  // The layout in which what is left of containers is looked for.
  t.teardown(() => endContainers(join(dir, 'none'), dir));
  mkdirSync(dir);
  const place = (name: string) => ({
    dir,
    socket: join(daemon.driverDir, `${name}.sock`),
    wire: 'json-rpc' as const,
  });
  const runtime = await serveDriver(t, 'runtime-oci', place('far'));
  await serveDriver(t, 'snapshot-overlay', place('layers'));
  await daemon.restart({ args: ['--default-runtime', 'far', '--storage-driver', 'layers'] });
  await daemon.loadBusybox();
  const none = ['run', '--network', 'none'];
  t.equal(await docker(...none, '--rm', 'busybox', 'echo', 'hello'), 'hello');
  t.match(await docker(...none, '--rm', 'busybox', 'no-such-program'), /^127: .*no-such-program/s);
  t.match(await docker(...none, '--name', 'seven', 'busybox', 'sh', '-c', 'echo out; exit 7'), /^7: /);
  t.equal(await docker('logs', 'seven'), 'out');
  await docker(...none, '-d', '--name', 'web', 'busybox', 'sleep', '1000');
  t.equal(await docker('exec', 'web', 'echo', 'inside'), 'inside');
  t.equal(await docker('inspect', '-f', '{{.HostConfig.Runtime}} {{.State.Running}}', 'web'), 'far true');

  await runtime.end('SIGKILL');
  t.match(
    await docker('inspect', '-f', '{{.State.Running}}', 'web'),
    /true/,
    'containers outlive their driver',
  );
  await serveDriver(t, 'runtime-oci', place('far'));
  t.equal(await docker('exec', 'web', 'echo', 'again'), 'again');
  t.equal(await docker('kill', 'web'), 'web');
  t.equal(await docker('wait', 'web'), '137', 'its end is seen by the new one');
  t.equal(await docker('rm', 'web', 'seven'), 'web\nseven');
  const { stdout: books, code } = await daemon.gantry(['fsck']);
  t.equal(code, 0, books);
});
