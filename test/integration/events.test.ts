/** `docker events`: what happens is told, in order, with Docker's words, and outlives the daemon. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { startTestDaemon } from '../fixtures/daemon.ts';
import { eventStream, type Message, parsed, until } from './events/stream.ts';

const RUN = ['run', '--network', 'none'];

t.test('events', async (t) => {
  const daemon = await startTestDaemon(t);
  const image = await daemon.loadBusybox();
  const past = async (...filters: readonly string[]) => {
    const words = filters.flatMap((filter) => ['--filter', filter]);
    const { stdout, stderr, code } = await daemon.docker([
      ...['events', '--format', 'json', '--since', '0', '--until', `${Date.now() / 1000}`],
      ...words,
    ]);
    t.equal(code, 0, stderr);
    return stdout.split('\n').filter(Boolean).map(parsed);
  };
  const actions = async (...filters: readonly string[]) =>
    (await past(...filters)).map(({ Action }) => Action);

  await t.test('of a container that runs to its end and is removed', async (t) => {
    await daemon.docker([
      ...RUN,
      '--rm',
      '--name',
      'short',
      '-l',
      'a=b',
      '-v',
      'notes:/n',
      'busybox',
      'sh',
      '-c',
      'exit 3',
    ]);
    await until(async () => (await actions('container=short')).includes('destroy'));
    t.same(await actions('type=container', 'container=short'), [
      'create',
      'attach',
      'start',
      'die',
      'destroy',
    ]);
    t.same(await actions('volume=notes'), ['create', 'mount', 'unmount']);
    const [die] = await past('event=die', 'container=short');
    t.match(die, {
      Type: 'container',
      scope: 'local',
      Actor: {
        Attributes: { image: 'busybox', name: 'short', a: 'b', exitCode: '3', execDuration: /^\d+$/ },
      },
    });
    t.match((await past('event=mount'))[0], {
      Type: 'volume',
      Actor: {
        ID: 'notes',
        Attributes: { driver: 'local', destination: '/n', 'read/write': 'true', propagation: '' },
      },
    });
  });

  await t.test('of what is done to one from outside', async (t) => {
    await daemon.docker([...RUN, '-d', '--name', 'long', 'busybox', 'sleep', '1000']);
    await daemon.docker(['pause', 'long']);
    await daemon.docker(['unpause', 'long']);
    await daemon.docker(['rename', 'long', 'longer']);
    await daemon.docker(['exec', 'longer', 'sh', '-c', 'exit 4']);
    await until(async () => (await actions('event=exec_die')).length > 0);
    await daemon.docker(['restart', '-t', '0', 'longer']);
    await daemon.docker(['stop', '-t', '0', 'longer']);
    await daemon.docker(['rm', 'longer']);
    const { Actor } = (await past('event=rename'))[0] as Message;
    t.match(Actor, { Attributes: { oldName: '/long', name: 'longer' } });
    t.same(await actions(`container=${Actor.ID.slice(0, 12)}`), [
      ...['create', 'start', 'pause', 'unpause', 'rename'],
      ...['exec_create: sh -c exit 4', 'exec_start: sh -c exit 4', 'exec_die'],
      ...['kill', 'kill', 'die', 'stop', 'start', 'restart'],
      ...['kill', 'kill', 'die', 'stop', 'destroy'],
    ]);
    const kills = await past('event=kill');
    t.same(
      kills.map(({ Actor: { Attributes } }) => Attributes.signal),
      ['15', '9', '15', '9'],
    );
    t.match((await past('event=exec_die'))[0], {
      Actor: { Attributes: { exitCode: '4', execID: /^[0-9a-f]{64}$/ } },
    });
    t.equal((await actions('event=exec_create')).length, 1, 'without what it runs');
  });

  await t.test('of one that runs out of memory', async (t) => {
    const eats = ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=200M', 'count=1'];
    t.equal((await daemon.docker([...RUN, '--name', 'eats', '-m', '20m', 'busybox', ...eats])).code, 137);
    t.same(await actions('container=eats'), ['create', 'attach', 'start', 'oom', 'die']);
    const state = await daemon.docker([
      'inspect',
      'eats',
      '--format',
      '{{.State.OOMKilled}} {{.State.ExitCode}}',
    ]);
    t.equal(state.stdout, 'true 137\n');
    await daemon.docker(['rm', 'eats']);
    const lives = ['sh', '-c', `usleep 300000; ${eats.join(' ')}; sleep 1000`];
    await daemon.docker([...RUN, '-d', '--name', 'lives', '-m', '20m', 'busybox', ...lives]);
    await until(async () => (await actions('container=lives')).includes('oom'));
    t.match((await daemon.api('GET', '/containers/lives/json')).body, {
      State: { OOMKilled: true, Status: 'running' },
    });
    await daemon.docker(['kill', 'lives']);
    t.same(await actions('container=lives'), ['create', 'start', 'oom', 'kill', 'die']);
    await daemon.docker(['rm', 'lives']);
  });

  await t.test('of images and volumes', async (t) => {
    t.match(await past('type=image'), [
      { Action: 'load', Actor: { ID: image, Attributes: { name: 'busybox:latest' } } },
    ]);
    await daemon.docker(['volume', 'create', 'own']);
    await daemon.docker(['volume', 'rm', 'own']);
    t.same(await actions('volume=own'), ['create', 'destroy']);
    await daemon.docker(['volume', 'prune', '-f']);
    await daemon.docker(['container', 'prune', '-f']);
    t.match(await past('event=prune'), [
      { Type: 'volume', Actor: { ID: '', Attributes: { reclaimed: /^\d+$/ } } },
      { Type: 'container', Actor: { ID: '', Attributes: { reclaimed: /^\d+$/ } } },
    ]);
    t.same(
      await actions('image=busybox', 'event=create'),
      ['create', 'create', 'create', 'create'],
      'also of its containers',
    );
    t.same(await actions('label=a=b', 'event=start'), ['start']);
    t.same(await actions('label=a=c'), []);
    t.same(await actions('scope=swarm'), []);
  });

  await t.test('a client hears of them as they come, and of none before it asks', async (t) => {
    const before = await eventStream(t, daemon, '/v1.55/events');
    t.equal(before.headers['content-type'], 'application/jsonl');
    const old = await eventStream(t, daemon, '/v1.41/events');
    t.equal(old.headers['content-type'], 'application/json');
    await daemon.docker([...RUN, '-d', '--name', 'live', 'busybox', 'true']);
    await until(async () => before.lines.length >= 3 && old.lines.length >= 3);
    const now = before.lines.map(parsed);
    t.same(now.map(({ Action }) => Action).slice(0, 3), ['create', 'start', 'die']);
    t.notOk('status' in (now[0] as object));
    t.match(parsed(old.lines[0] ?? ''), {
      status: 'create',
      id: /^[0-9a-f]{64}$/,
      from: 'busybox',
      Action: 'create',
    });
    t.match(before.lines[0], /"time":(\d{10}),"timeNano":\1\d{9}\}$/);
  });

  await t.test('between two moments, to the nanosecond', async (t) => {
    const all = await daemon.api('GET', '/events?since=0&until=1.5');
    t.equal(all.text, '');
    const lines = (await daemon.api('GET', `/events?since=0&until=${Date.now() / 1000 - 0.001}`)).text
      .trim()
      .split('\n');
    const nano = (line = '') => (/"timeNano":(\d+)/.exec(line)?.[1] ?? '').replace(/(\d{9})$/, '.$1');
    const [from, to] = [nano(lines[2]), nano(lines[4])];
    const some = await daemon.api('GET', `/events?since=${from}&until=${to}`);
    t.same(some.text.trim().split('\n'), lines.slice(2, 5));
    const open = await daemon.api(
      'GET',
      `/events?until=${(Date.now() + 300) / 1000}&filters={"type":["daemon"]}`,
    );
    t.equal(open.status, 200, 'ends by itself');
    t.match(await daemon.api('GET', '/events?since=5&until=4'), {
      status: 400,
      body: { message: /cannot be after/ },
    });
    t.match(await daemon.api('GET', '/events?since=x'), { status: 400 });
  });

  await t.test('they are there after a restart, and after a crash', async (t) => {
    const before = await past();
    await daemon.restart();
    t.same((await past()).slice(0, before.length), before);
    await daemon.docker(['volume', 'create', 'late']);
    await until(async () =>
      readFileSync(join(daemon.dataRoot, 'events/events.jsonl'), 'utf8').includes('"late"'),
    );
    await daemon.kill();
    await daemon.restart();
    t.same(await actions('volume=late'), ['create']);
  });

  await t.test('a client that reads nothing is cut off', async (t) => {
    const deaf = connect(daemon.socket);
    t.teardown(async () => deaf.destroy());
    deaf.on('error', () => {}).pause();
    deaf.write('GET /events HTTP/1.1\r\nHost: docker\r\n\r\n');
    await once(deaf, 'readable');
    const body = { Image: 'busybox', Cmd: ['true'], Labels: { l: 'x'.repeat(100_000) } };
    for (let round = 0; round < 30; round += 1) {
      await daemon.api('POST', '/containers/create?name=big', body);
      await daemon.api('DELETE', '/containers/big');
    }
    const closed = once(deaf, 'close');
    deaf.resume();
    await closed; // otherwise the test never ends
    t.equal((await daemon.api('GET', '/_ping')).status, 200);
  });
});
