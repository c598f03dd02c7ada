/** The daemon under a service manager: units, notifications, sockets handed over, and containers over a restart. */
import { type ChildProcessByStdio, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { startTestDaemon } from '../fixtures/daemon.ts';
import { endContainers, unmountBelow } from '../fixtures/left-behind.ts';
import { makeBusyboxArchive } from '../fixtures/make-busybox-image.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const UNITS = join(ROOT, 'packaging/systemd');
const LIMIT_MS = 30_000;

const noSystemd = spawnSync('systemd-analyze', ['--version']).status !== 0 && 'systemd-analyze is not here';

t.test('systemd finds no fault in the units', { skip: noSystemd }, async (t) => {
  const dir = directory(t);
  cpSync(UNITS, dir, { recursive: true });
  const unit = readFileSync(join(dir, 'gantry.service'), 'utf8');
  // Verified as it will stand, but for the place of the program.
  const placed = unit.replaceAll('/usr/bin/gantryd', join(ROOT, 'core/bin/gantryd'));
  t.not(placed, unit);
  writeFileSync(join(dir, 'gantry.service'), placed);
  const verify = () =>
    spawnSync('systemd-analyze', ['verify', '--man=no', 'gantry.service', 'gantry.socket'], {
      cwd: dir,
      encoding: 'utf8',
      env: { ...process.env, SYSTEMD_UNIT_PATH: `${dir}:` },
    });
  const { status, stderr } = verify();
  t.same({ status, stderr }, { status: 0, stderr: '' });
  writeFileSync(join(dir, 'gantry.service'), placed.replace('KillMode=process', 'KillMode=prozess'));
  t.match(verify().stderr, /kill mode.*prozess/, 'it would have said so');
});

t.test('the unit leaves containers alone', async (t) => {
  const unit = readFileSync(join(UNITS, 'gantry.service'), 'utf8');
  for (const line of ['KillMode=process', 'Delegate=yes', 'Type=notify']) t.match(unit, `\n${line}\n`);
  t.notMatch(unit, /^RuntimeDirectory=/m);
  const [, program = '', ...flags] = /^ExecStart=(\S+) (.*)$/m.exec(unit)?.[0].split(/[= ]/) ?? [];
  t.equal(program, '/usr/bin/gantryd');
  const { stderr } = spawnSync(join(ROOT, 'core/bin/gantryd'), [...flags, '--validate'], {
    encoding: 'utf8',
  });
  t.equal(stderr, 'configuration OK\n');
});

t.test('the service manager is told: ready, reloading, stopping', async (t) => {
  const dir = directory(t);
  const socket = join(dir, 'notify');
  const manager = spawn('socat', ['-u', `UNIX-RECV:${socket}`, '-'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => manager.kill('SIGKILL'));
  let said = '';
  manager.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await until(() => existsSync(socket), 'socat listens');
  const daemon = await startTestDaemon(t, { env: { NOTIFY_SOCKET: socket } });
  await until(() => said.includes('READY=1\nSTATUS=serves\n'), 'it is ready');
  process.kill(daemon.pid, 'SIGHUP');
  await until(() => /RELOADING=1\nMONOTONIC_USEC=\d+\nREADY=1\n/.test(said), 'it has reloaded');
  t.equal(said.match(/READY=1/g)?.length, 2);
  await daemon.stop();
  await until(() => said.includes('STOPPING=1'), 'it stops');
  t.notMatch(daemon.log(), /was not told/);
});

t.test('without anybody at the socket it serves all the same', async (t) => {
  const daemon = await startTestDaemon(t, { env: { NOTIFY_SOCKET: '/nonexistent/notify' } });
  t.equal((await daemon.api('GET', '/_ping')).status, 200);
  await until(() => daemon.log().includes('the service manager was not told'), 'it says so');
});

t.test('over a restart containers go on, and a client waits at the socket', async (t) => {
  const service = await startService(t);
  const archive = join(service.dir, 'busybox.tar');
  makeBusyboxArchive(archive, { tag: 'busybox:latest' });
  service.docker('load', '-q', '-i', archive);
  service.docker('run', '-d', '--name', 'stays', '--network', 'none', 'busybox', 'sleep', '1000');
  const inspect = ['inspect', '-f', '{{.State.Status}} {{.State.Pid}}', 'stays'];
  const before = service.docker(...inspect);
  t.match(before, /^running \d+/);

  const ended = await service.stop();
  t.equal(ended, 0);
  const waiting = spawn('docker', ['-H', service.host, ...inspect], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  waiting.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const closed = once(waiting, 'close');
  await until(() => waitsOn(service.socket), 'the client is in the backlog of the socket');
  service.start();
  t.same(await closed, [0, null]);
  t.equal(said, before, 'the same process, and nobody saw an error');
});

interface Service {
  readonly dir: string;
  readonly socket: string;
  readonly host: string;
  start(): void;
  /** SIGTERM; answers its exit status. */
  stop(): Promise<number>;
  docker(...args: string[]): string;
}

/** A shell stands in for the service manager: it holds the listening socket, and starts a daemon for each line it reads. */
const MANAGER = `
while read -r go; do
  sh -c 'LISTEN_PID=$$ LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS; exec "$@"' - "$@" </dev/null
  echo "ended $?"
done`;

async function startService(t: Test): Promise<Service> {
  const dir = directory(t);
  const [socket, pidfile] = [join(dir, 'service.sock'), join(dir, 'pid')];
  const [data, exec] = [join(dir, 'data'), join(dir, 'run')];
  mkdirSync(join(dir, 'docker'));
  const server = net.createServer();
  await once(server.listen(socket), 'listening');
  const fd = (server as unknown as { _handle: { fd: number } })._handle.fd;
  const args = ['-H', 'fd://', '--data-root', data, '--exec-root', exec, '--pidfile', pidfile];
  const manager = spawn('sh', ['-c', MANAGER, 'manager', join(ROOT, 'core/bin/gantryd'), ...args], {
    stdio: ['pipe', 'pipe', 'inherit', fd],
  }) as ChildProcessByStdio<Writable, Readable, null>;
  // This process must not accept; closing takes the socket's name away, so it is kept by a second one.
  linkSync(socket, `${socket}.kept`);
  server.close();
  renameSync(`${socket}.kept`, socket);
  const host = `unix://${socket}`;
  const docker = (...words: string[]) =>
    execFileSync('docker', ['-H', host, ...words], {
      encoding: 'utf8',
      env: { ...process.env, DOCKER_CONFIG: join(dir, 'docker') },
    });
  const service = {
    ...{ dir, socket, host, docker },
    start: () => void manager.stdin.write('go\n'),
    async stop() {
      await until(() => existsSync(pidfile), 'the daemon has written its pid');
      const ended = once(manager.stdout, 'data');
      process.kill(Number(readFileSync(pidfile, 'utf8')), 'SIGTERM');
      return Number(/ended (\d+)/.exec(String((await ended)[0]))?.[1]);
    },
  };
  t.teardown(() => tidy(service, manager, [data, exec]));
  service.start();
  return service;
}

async function tidy(
  service: Service,
  manager: ChildProcessByStdio<Writable, Readable, null>,
  [data = '', exec = '']: string[],
): Promise<void> {
  try {
    service.docker('rm', '-f', 'stays');
    await service.stop();
  } finally {
    manager.stdin.end();
    await endContainers(data, exec);
    unmountBelow(service.dir);
  }
}

/** Whether a connection to the socket waits to be accepted: the kernel shows it connecting, without a process. */
function waitsOn(socket: string): boolean {
  const rows = readFileSync('/proc/net/unix', 'utf8').split('\n');
  // Columns: Num RefCount Protocol Flags Type St Inode Path; state 02 is connecting, and has the listener's path.
  return rows.some((row) => row.endsWith(` ${socket}`) && row.split(/\s+/)[5] === '02');
}

function directory(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-service-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true, maxRetries: 3 }));
  return dir;
}

async function until(holds: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + LIMIT_MS; !holds(); await delay(20)) {
    if (Date.now() > end) throw new Error(`not within ${LIMIT_MS} ms: ${what}`);
  }
}
