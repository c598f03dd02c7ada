/** Health checks: what their results make of a container, what ends them, and what outlives the daemon. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';
import { makeBusyboxArchive } from '../fixtures/make-busybox-image.ts';
import { parsed, until } from './events/stream.ts';

interface Health {
  readonly Status: string;
  readonly FailingStreak: number;
  readonly Log: readonly {
    readonly Start: string;
    readonly End: string;
    readonly ExitCode: number;
    readonly Output: string;
  }[];
}

const RUN = ['run', '-d', '--network', 'none'];
const STAY = ['busybox', 'sleep', '1000'];
/** Looks every 200 ms. */
const OFTEN = ['--health-interval', '200ms'];

async function healthOf(daemon: TestDaemon, name: string): Promise<Health | undefined> {
  const { body } = await daemon.api('GET', `/containers/${name}/json`);
  return (body as { State: { Health?: Health } }).State.Health;
}

function reaches(daemon: TestDaemon, name: string, holds: (now: Health) => boolean): Promise<void> {
  return until(async () => {
    const health = await healthOf(daemon, name);
    return health !== undefined && holds(health);
  }, `what the health of ${name} was to become`);
}

async function eventsOf(daemon: TestDaemon, name: string): Promise<readonly string[]> {
  const filters = JSON.stringify({ container: [name], event: ['health_status'] });
  const { text } = await daemon.api('GET', `/events?since=0&until=${Date.now() / 1000}&filters=${filters}`);
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => parsed(line).Action);
}

/** Pids of processes whose command line has `word`. */
async function processesWith(daemon: TestDaemon, name: string, word: string): Promise<readonly string[]> {
  const { stdout } = await daemon.docker(['exec', name, 'ps', '-o', 'pid,args']);
  return stdout.split('\n').filter((line) => line.includes(word) && !line.includes('ps -o'));
}

t.test('health checks', async (t) => {
  const daemon = await startTestDaemon(t);
  await daemon.loadBusybox();
  const status = async (name: string) =>
    (
      await daemon.docker(['ps', '-a', '--filter', `name=^${name}$`, '--format', '{{.Status}}'])
    ).stdout.trim();

  await t.test('a container is starting, then healthy, unhealthy, and healthy again', async (t) => {
    const command = ['--health-cmd', 'echo looked; test ! -e /bad', '--health-retries', '2'];
    await daemon.docker([...RUN, '--name', 'box', ...OFTEN, ...command, ...STAY]);
    t.match(await status('box'), /^Up .* \(health: starting\)$/);
    await reaches(daemon, 'box', ({ Status }) => Status === 'healthy');
    t.match(await status('box'), /^Up .* \(healthy\)$/);
    await daemon.docker(['exec', 'box', 'touch', '/bad']);
    await reaches(daemon, 'box', ({ Status }) => Status === 'unhealthy');
    await reaches(daemon, 'box', ({ Log }) => Log.length === 5);
    const health = await healthOf(daemon, 'box');
    t.ok((health?.FailingStreak ?? 0) >= 2);
    t.match(health?.Log.at(-1), { Start: /^20/, End: /^20/, ExitCode: 1, Output: 'looked\n' });
    await daemon.docker(['exec', 'box', 'rm', '/bad']);
    await reaches(daemon, 'box', ({ Status, FailingStreak }) => Status === 'healthy' && FailingStreak === 0);
    t.same(await eventsOf(daemon, 'box'), [
      'health_status: healthy',
      'health_status: unhealthy',
      'health_status: healthy',
    ]);
    const { stdout } = await daemon.docker(['ps', '--filter', 'health=healthy', '--format', '{{.Names}}']);
    t.equal(stdout, 'box\n');
  });

  await t.test('they go on after the daemon was away, and know what was', async (t) => {
    const before = await healthOf(daemon, 'box');
    await daemon.kill();
    await daemon.restart();
    t.equal((await healthOf(daemon, 'box'))?.Status, 'healthy', 'at once');
    await reaches(daemon, 'box', ({ Log }) => (Log.at(-1)?.Start ?? '') > (before?.Log.at(-1)?.End ?? ''));
    t.equal((await eventsOf(daemon, 'box')).length, 3, 'nothing has changed');
  });

  await t.test('a pause stops them; the end of the container too', async (t) => {
    await daemon.docker(['pause', 'box']);
    const frozen = await healthOf(daemon, 'box');
    await daemon.docker([...RUN, '--name', 'other', ...OFTEN, '--health-cmd', 'true', ...STAY]);
    await reaches(daemon, 'other', ({ Log }) => Log.length >= 4); // as much time as four looks take
    t.same(await healthOf(daemon, 'box'), frozen);
    await daemon.docker(['unpause', 'box']);
    await reaches(daemon, 'box', ({ Status }) => Status === 'healthy');
    await daemon.docker(['stop', '-t', '0', 'box']);
    t.equal((await healthOf(daemon, 'box'))?.Status, 'unhealthy');
    t.match(await status('box'), /^Exited/);
    await daemon.docker(['start', 'box']);
    t.match(await healthOf(daemon, 'box'), { Status: 'starting', FailingStreak: 0 });
    await daemon.docker(['rm', '-f', 'box', 'other']);
  });

  await t.test(
    'a probe that hangs is killed at its timeout, also one that a dead daemon has begun',
    async (t) => {
      const hang = [
        '--health-cmd',
        'echo begun; exec sleep 4711',
        '--health-timeout',
        '300ms',
        '--health-retries',
        '1',
      ];
      await daemon.docker([...RUN, '--name', 'hung', ...OFTEN, ...hang, ...STAY]);
      await reaches(daemon, 'hung', ({ Status }) => Status === 'unhealthy');
      t.match((await healthOf(daemon, 'hung'))?.Log[0], {
        ExitCode: -1,
        Output: 'Health check exceeded timeout (300ms): begun\n',
      });
      await reaches(daemon, 'hung', ({ Log }) => Log.length >= 3);
      t.ok((await processesWith(daemon, 'hung', 'sleep 4711')).length <= 1, 'no more than the present one');
      await daemon.docker(['rm', '-f', 'hung']);

      const long = [
        '--health-cmd',
        'exec sleep 4712',
        '--health-interval',
        '100ms',
        '--health-timeout',
        '1h',
      ];
      await daemon.docker([...RUN, '--name', 'left', ...long, ...STAY]);
      await until(async () => (await processesWith(daemon, 'left', 'sleep 4712')).length === 1);
      const [pid] = (await processesWith(daemon, 'left', 'sleep 4712')).map(
        (line) => line.trim().split(' ')[0],
      );
      await daemon.kill();
      await daemon.restart();
      await until(async () => {
        const now = (await processesWith(daemon, 'left', 'sleep 4712')).map(
          (line) => line.trim().split(' ')[0],
        );
        return now.length === 1 && now[0] !== pid;
      }, 'another probe in place of the one that was left');
      await daemon.docker(['pause', 'left']);
      await daemon.docker(['unpause', 'left']);
      await daemon.docker(['rm', '-f', 'left']);
    },
  );

  await t.test('failures in the start period do not count, and looks are closer then', async (t) => {
    const period = [
      '--health-start-period',
      '1h',
      '--health-start-interval',
      '100ms',
      '--health-interval',
      '1h',
    ];
    const command = ['--health-cmd', 'test -e /good', '--health-retries', '1'];
    await daemon.docker([...RUN, '--name', 'slow', ...period, ...command, ...STAY]);
    await reaches(daemon, 'slow', ({ Log }) => Log.length >= 3);
    t.match(await healthOf(daemon, 'slow'), { Status: 'starting', FailingStreak: 0 });
    await daemon.docker(['exec', 'slow', 'touch', '/good']);
    await reaches(daemon, 'slow', ({ Status }) => Status === 'healthy');
    await daemon.docker(['rm', '-f', 'slow']);
  });

  await t.test('much output is cut; a command that is not there is a failure', async (t) => {
    const talk = ['--health-cmd', 'head -c 10000 /dev/zero | tr "\\0" x'];
    await daemon.docker([...RUN, '--name', 'talks', ...OFTEN, ...talk, ...STAY]);
    await reaches(daemon, 'talks', ({ Log }) => Log.length > 0);
    t.equal((await healthOf(daemon, 'talks'))?.Log[0]?.Output, `${'x'.repeat(4096)}...`);
    await daemon.docker(['rm', '-f', 'talks']);
    const created = await daemon.api('POST', '/containers/create?name=absent', {
      Image: 'busybox',
      Cmd: ['sleep', '1000'],
      Healthcheck: { Test: ['CMD', '/nowhere'], Interval: 100_000_000, Retries: 1 },
      HostConfig: { NetworkMode: 'none' },
    });
    t.equal(created.status, 201);
    await daemon.docker(['start', 'absent']);
    await reaches(daemon, 'absent', ({ Status }) => Status === 'unhealthy');
    t.match((await healthOf(daemon, 'absent'))?.Log[0], { ExitCode: -1, Output: /nowhere/ });
    await daemon.docker(['rm', '-f', 'absent']);
  });

  await t.test('the image has one too, which the container may change or leave out', async (t) => {
    await daemon.docker(['create', '--name', 'plain', 'busybox']);
    const healthcheck = { Test: ['CMD-SHELL', 'echo of the image'], Interval: 200_000_000, Retries: 7 };
    const file = `${daemon.dir}/healthy.tar`;
    makeBusyboxArchive(file, { tag: 'healthy:latest', config: { Healthcheck: healthcheck } });
    await daemon.docker(['load', '-q', '-i', file]);
    await daemon.docker([...RUN, '--name', 'by-image', 'healthy', 'sleep', '1000']);
    await reaches(daemon, 'by-image', ({ Status }) => Status === 'healthy');
    t.equal((await healthOf(daemon, 'by-image'))?.Log[0]?.Output, 'of the image\n');
    await daemon.docker([...RUN, '--name', 'changed', '--health-retries', '2', 'healthy', 'sleep', '1000']);
    t.match((await daemon.api('GET', '/containers/changed/json')).body, {
      Config: { Healthcheck: { ...healthcheck, Retries: 2 } },
    });
    await daemon.docker([...RUN, '--name', 'without', '--no-healthcheck', 'healthy', 'sleep', '1000']);
    t.equal(await healthOf(daemon, 'without'), undefined);
    t.notMatch(await status('without'), /\(/);
    const refused = await daemon.api('POST', '/containers/create', {
      Image: 'busybox',
      Healthcheck: { Timeout: 5 },
    });
    t.match(refused, { status: 400, body: { message: 'Timeout in Healthcheck cannot be less than 1ms' } });
  });
  t.notMatch(readFileSync(`${daemon.dir}/log`, 'utf8'), /health check ended|not removed/);
});
