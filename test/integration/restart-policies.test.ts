/** Restart policies: over exits, what is done from outside meanwhile, crashes of the daemon and a boot of the machine. */
import { join } from 'node:path';
import t from 'tap';
import { startVolumePlugin } from '../fakes/start-volume-plugin.ts';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';
import { parsed, until } from './events/stream.ts';

interface Inspect {
  readonly Id: string;
  readonly RestartCount: number;
  readonly State: {
    readonly Status: string;
    readonly Running: boolean;
    readonly Restarting: boolean;
    readonly Pid: number;
    readonly Error: string;
    readonly ExitCode: number;
    readonly StartedAt: string;
  };
}

const RUN = ['run', '-d', '--network', 'none'];
const FAIL = ['busybox', 'sh', '-c', 'exit 3'];
const STAY = ['busybox', 'sleep', '1000'];

async function inspect(daemon: TestDaemon, name: string): Promise<Inspect> {
  return (await daemon.api('GET', `/containers/${name}/json`)).body as Inspect;
}

function reaches(daemon: TestDaemon, name: string, holds: (now: Inspect) => boolean): Promise<void> {
  return until(async () => holds(await inspect(daemon, name)), `what ${name} was to become`);
}

const isRestarting = ({ State }: Inspect) => State.Restarting;
const runs = ({ State }: Inspect) => State.Status === 'running';

t.test('restart policies', async (t) => {
  const daemon = await startTestDaemon(t);
  await daemon.loadBusybox();

  await t.test('on-failure starts it again as often as it may, and no success', async (t) => {
    await daemon.docker([...RUN, '--name', 'thrice', '--restart', 'on-failure:3', ...FAIL]);
    await reaches(daemon, 'thrice', ({ State }) => State.Status === 'exited');
    t.match(await inspect(daemon, 'thrice'), { RestartCount: 3, State: { ExitCode: 3, Running: false } });
    const events = await daemon.api(
      'GET',
      `/events?since=0&until=${Date.now() / 1000}&filters={"container":["thrice"]}`,
    );
    const actions = events.text
      .trim()
      .split('\n')
      .map((line) => parsed(line).Action);
    t.same(actions, ['create', 'start', 'die', 'start', 'die', 'start', 'die', 'start', 'die']);

    await daemon.docker([...RUN, '--name', 'fine', '--restart', 'on-failure', 'busybox', 'true']);
    await reaches(daemon, 'fine', ({ State }) => State.Status === 'exited');
    t.match(await inspect(daemon, 'fine'), { RestartCount: 0, State: { ExitCode: 0 } });
    await daemon.docker(['rm', 'thrice', 'fine']);
  });

  await t.test('always starts it again; who waits hears of the first end', async (t) => {
    await daemon.docker(['create', '--network', 'none', '--name', 'again', '--restart', 'always', ...FAIL]);
    const next = daemon.api('POST', '/containers/again/wait?condition=next-exit');
    await daemon.docker(['start', 'again']);
    t.same((await next).body, { StatusCode: 3 });
    await reaches(daemon, 'again', ({ RestartCount }) => RestartCount >= 3);
    await reaches(daemon, 'again', isRestarting);
    t.match(await inspect(daemon, 'again'), {
      State: { Status: 'restarting', Running: true, Pid: 0, ExitCode: 3 },
    });
    const { stdout } = await daemon.docker([
      'ps',
      '--filter',
      'status=restarting',
      '--format',
      '{{.Names}} {{.Status}}',
    ]);
    t.match(stdout, /^again Restarting \(3\) /);
    // As in Docker it counts as running meanwhile, so the next end is what ends the wait.
    const ended = async () => (await daemon.api('POST', '/containers/again/wait')).body;
    t.same(await ended(), { StatusCode: 3 });
    await reaches(daemon, 'again', isRestarting);
    t.equal((await daemon.api('POST', '/containers/again/start')).status, 304);
    const removed = daemon.api('POST', '/containers/again/wait?condition=removed');
    t.match(await daemon.api('DELETE', '/containers/again'), {
      status: 409,
      body: { message: /stop the container before/ },
    });
    await daemon.docker(['rm', '-f', 'again']);
    t.same((await removed).body, { StatusCode: 3 });
  });

  await t.test('stop and kill end the waiting for the next start', async (t) => {
    for (const verb of ['stop', 'kill']) {
      const name = `by-${verb}`;
      await daemon.docker([...RUN, '--name', name, '--restart', 'always', ...FAIL]);
      await reaches(daemon, name, ({ RestartCount }) => RestartCount >= 4);
      await reaches(daemon, name, isRestarting);
      t.same(await daemon.docker([verb, name]), { stdout: `${name}\n`, stderr: '', code: 0 });
      t.match(await inspect(daemon, name), { State: { Status: 'exited', ExitCode: 3, Running: false } });
      t.match(await daemon.api('POST', `/containers/${name}/exec`, { Cmd: ['true'] }), { status: 409 });
      await daemon.docker(['start', name]);
      t.ok((await inspect(daemon, name)).RestartCount < 4, 'a start by hand counts anew');
      await daemon.docker(['rm', '-f', name]);
    }
  });

  await t.test('stop ends one that runs; a kill from elsewhere does not', async (t) => {
    await daemon.docker([...RUN, '--name', 'stays', '--restart', 'unless-stopped', ...STAY]);
    const first = (await inspect(daemon, 'stays')).State;
    process.kill(first.Pid, 'SIGKILL');
    await reaches(
      daemon,
      'stays',
      ({ State }) => State.Status === 'running' && State.StartedAt !== first.StartedAt,
    );
    t.equal((await inspect(daemon, 'stays')).RestartCount, 1);
    await daemon.docker(['restart', '-t', '0', 'stays']);
    t.match(await inspect(daemon, 'stays'), { RestartCount: 0, State: { Status: 'running' } });
    await daemon.docker(['stop', '-t', '0', 'stays']);
    t.match(await inspect(daemon, 'stays'), { State: { Status: 'exited', ExitCode: 137 } });
  });

  await t.test('over the end of the daemon', async (t) => {
    await daemon.docker([...RUN, '--name', 'always', '--restart', 'always', ...STAY]);
    await daemon.docker([...RUN, '--name', 'ended', '--restart', 'unless-stopped', ...STAY]);
    await daemon.docker([...RUN, '--name', 'failing', '--restart', 'on-failure:50', ...FAIL]);
    await daemon.docker([...RUN, '--name', 'none', ...STAY]);
    await daemon.docker(['stop', '-t', '0', 'always']);
    await reaches(daemon, 'failing', ({ RestartCount }) => RestartCount >= 3);
    const pid = async (name: string) => (await inspect(daemon, name)).State.Pid;
    const [ended, none] = [await pid('ended'), await pid('none')];
    const before = await inspect(daemon, 'failing');
    await daemon.kill();
    for (const gone of [ended, none]) process.kill(gone, 'SIGKILL');
    await daemon.restart();
    await reaches(daemon, 'ended', runs);
    t.equal((await inspect(daemon, 'ended')).RestartCount, 1, 'its end was found');
    await reaches(daemon, 'always', runs);
    t.match(await inspect(daemon, 'stays'), { State: { Status: 'exited' } }, 'unless-stopped, and stopped');
    t.match(await inspect(daemon, 'none'), { State: { Status: 'exited', ExitCode: 137 } });
    await reaches(daemon, 'failing', ({ RestartCount }) => RestartCount > before.RestartCount);
    await daemon.docker(['rm', '-f', 'always', 'ended', 'failing', 'none', 'stays']);
  });

  await t.test('over a boot of the machine, a few at a time', async (t) => {
    const names = Array.from({ length: 7 }, (_, index) => `boot-${index}`);
    for (const name of names) await daemon.docker([...RUN, '--name', name, '--restart', 'always', ...STAY]);
    await daemon.docker([...RUN, '--name', 'plain', ...STAY]);
    const all = [...names, 'plain'];
    const pids = await Promise.all(all.map(async (name) => (await inspect(daemon, name)).State.Pid));
    await daemon.kill();
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    // As a boot looks to the daemon: no process is left, and mounts and tasks of its books are of another boot.
    await daemon.restart({ env: { GANTRY_BOOT_ID: 'another' } });
    for (const name of names) await reaches(daemon, name, runs);
    t.match(await inspect(daemon, 'plain'), { State: { Status: 'exited' } });
    await daemon.docker(['rm', '-f', ...all]);
  });

  await t.test('one that needs a plugin that is away starts when it appears', async (t) => {
    const files = {
      socket: join(daemon.pluginDir, 'sample.sock'),
      root: join(daemon.dir, 'plugin-root'),
      record: join(daemon.dir, 'plugin-calls.json'),
    };
    const plugin = await startVolumePlugin(files);
    t.teardown(() => plugin.kill());
    const volume = ['--volume-driver', 'sample', '-v', 'far:/far'];
    await daemon.docker([...RUN, '--name', 'needy', '--restart', 'unless-stopped', ...volume, ...STAY]);
    const { Pid } = (await inspect(daemon, 'needy')).State;
    await plugin.kill();
    process.kill(Pid, 'SIGKILL');
    await reaches(daemon, 'needy', ({ State }) => State.Restarting && State.Error !== '');
    t.match(await inspect(daemon, 'needy'), { State: { Error: /sample/ } });
    const back = await startVolumePlugin(files);
    t.teardown(() => back.kill());
    await reaches(daemon, 'needy', runs);
    await daemon.docker(['rm', '-f', 'needy']);
  });

  await t.test('what no policy can be', async (t) => {
    const create = (RestartPolicy: object, AutoRemove = false) =>
      daemon.api('POST', '/containers/create', {
        Image: 'busybox',
        HostConfig: { RestartPolicy, AutoRemove },
      });
    t.match(await create({ Name: 'sometimes' }), {
      status: 400,
      body: { message: /unknown policy 'sometimes'/ },
    });
    t.match(await create({ Name: 'always', MaximumRetryCount: 2 }), {
      status: 400,
      body: { message: /only be used with/ },
    });
    t.match(await create({ Name: 'on-failure', MaximumRetryCount: -1 }), { status: 400 });
    t.match(await create({ Name: 'always' }, true), { status: 400, body: { message: /AutoRemove/ } });
  });
});
