/** `docker ps`: all of its filters, its limits, its fields; and how a container is named and found. */
import t from 'tap';
import { startTestDaemon } from '../fixtures/daemon.ts';
import { makeBusyboxArchive } from '../fixtures/make-busybox-image.ts';
import { until } from './events/stream.ts';

const NONE = ['--network', 'none'];

t.test('docker ps', async (t) => {
  const daemon = await startTestDaemon(t);
  const busybox = await daemon.loadBusybox();
  const child = `${daemon.dir}/child.tar`;
  const extra = [{ name: 'etc/child', content: 'x' }];
  const config = { ExposedPorts: { '7000/udp': {} } };
  makeBusyboxArchive(child, { tag: 'child:latest', extraLayers: [extra], config });
  await daemon.docker(['load', '-q', '-i', child]);

  const id = async (args: readonly string[]) => (await daemon.docker(args)).stdout.trim();
  const ids = new Map<string, string>();
  const make = async (name: string, verb: readonly string[], rest: readonly string[]) =>
    ids.set(name, await id([...verb, '--name', name, ...rest]));
  const health = ['--health-cmd', 'true', '--health-interval', '100ms'];
  await make('one', ['create'], [...NONE, '-l', 'tier=web', '-l', 'a', 'busybox', 'sh', '-c', 'echo a b']);
  await make(
    'two',
    ['run', '-d'],
    [...NONE, '-l', 'tier=db', '-v', 'notes:/notes', ...health, 'busybox', 'sleep', '1000'],
  );
  await make('three', ['run', '-d'], ['--network', 'host', '--expose', '81', 'child', 'sh', '-c', 'exit 5']);
  await make('four', ['run', '-d'], [...NONE, '-v', '/tmp:/data', 'child', 'sleep', '1000']);
  await daemon.docker(['pause', 'four']);
  await until(async () =>
    (await daemon.docker(['ps', '-a', '--format', '{{.Status}}'])).stdout.includes('Exited (5)'),
  );
  await until(async () => (await daemon.docker(['ps'])).stdout.includes('(healthy)'));

  const names = async (...args: readonly string[]) => {
    const { stdout, stderr, code } = await daemon.docker(['ps', '--format', '{{.Names}}', ...args]);
    if (code !== 0) return stderr.trim();
    return stdout.split('\n').filter(Boolean).join(' ');
  };
  const filtered = (...filters: readonly string[]) =>
    names('-a', ...filters.flatMap((filter) => ['--filter', filter]));

  await t.test('which are shown, and how many', async (t) => {
    t.equal(await names(), 'four two');
    t.equal(await names('-a'), 'four three two one');
    t.equal(await names('-n', '2'), 'four three');
    t.equal(await names('-l'), 'four');
    t.equal(await names('--filter', 'status=exited'), 'three', 'a status shows also what does not run');
    t.equal(await names('--filter', 'exited=5'), '', 'an exit code does not');
    t.equal(await names('-n', '2', '--filter', 'label=tier'), 'two one', 'counts what is wanted');
  });

  await t.test('filters', async (t) => {
    const long = (name: string) => ids.get(name) ?? '';
    const cases: readonly [filters: readonly string[], shown: string][] = [
      [['name=o'], 'four two one'],
      [['name=^o'], 'one'],
      [['name=^/two$'], 'two'],
      [['name=e$', 'name=four'], 'four three one'],
      [[`id=${long('two').slice(0, 12)}`], 'two'],
      [[`id=${long('two')}`, `id=${long('one')}`], 'two one'],
      [['label=tier'], 'two one'],
      [['label=tier=web', 'label=a'], 'one'],
      [['label=tier=web', 'label=tier=db'], ''],
      [['status=created', 'status=paused'], 'four one'],
      [['status=running'], 'two'],
      [['exited=5'], 'three'],
      [['exited=0'], ''],
      [['exited=0', 'exited=5'], 'three'],
      [['since=two'], 'four three'],
      [['before=three'], 'two one'],
      [['since=one', 'before=four'], 'three two'],
      [['ancestor=child'], 'four three'],
      [['ancestor=busybox'], 'four three two one'],
      [[`ancestor=${busybox}`, 'status=running'], 'two'],
      [['ancestor=nothing'], ''],
      [['volume=notes'], 'two'],
      [['volume=/data'], 'four'],
      [['volume=/nowhere'], ''],
      [['network=host'], 'three'],
      [['network=none'], 'four two one'],
      [['health=healthy'], 'two'],
      [['health=none'], 'four three one'],
      [['health=starting'], ''],
      [['expose=81'], 'three'],
      [['expose=6990-7010/udp'], 'four three'],
      [['expose=7000'], ''],
      [['publish=81'], ''],
      [['is-task=true'], ''],
      [['is-task=false'], 'four three two one'],
      [['isolation=default'], 'four three two one'],
    ];
    for (const [filters, shown] of cases) t.equal(await filtered(...filters), shown, filters.join(' '));
  });

  await t.test('filters that are none', async (t) => {
    const message = 'Error response from daemon: ';
    t.equal(await filtered('nonsense=1'), `${message}invalid filter 'nonsense'`);
    t.match(
      await filtered('status=asleep'),
      `${message}invalid value for status (asleep): must be one of created`,
    );
    t.match(await filtered('health=well'), 'must be one of none, starting, healthy, unhealthy');
    t.match(await filtered('exited=x'), "invalid filter 'exited=x'");
    t.match(await filtered('is-task=x'), "invalid filter 'is-task=[x]'");
    t.match(await filtered('expose=1:2'), "filter for 'expose' should not contain ':'");
    t.match(await filtered('publish=9-8'), 'error while looking up for publish 9-8');
    t.match(await filtered('since=nobody'), 'No such container: nobody');
  });

  await t.test('fields', async (t) => {
    const format =
      '{{.ID}}|{{.Image}}|{{.Command}}|{{.State}}|{{.Mounts}}|{{.LocalVolumes}}|{{.Label "tier"}}|{{.RunningFor}}';
    const show = async (name: string) =>
      id(['ps', '-a', '--no-trunc', '--filter', `name=^${name}$`, '--format', format]);
    t.match(await show('one'), `${ids.get('one')}|busybox|"sh -c 'echo a b'"|created||0|web|`);
    t.match(await show('two'), `|busybox|"sleep 1000"|running|notes|1|db|`);
    t.match(await show('two'), / ago$/);
    t.match(await show('four'), '|paused|/tmp|0||');
    await daemon.docker(['rmi', '-f', 'child']);
  });

  await t.test('sizes', async (t) => {
    await daemon.docker(['exec', 'two', 'sh', '-c', 'head -c 300000 /dev/zero > /file']);
    t.match(
      await id(['ps', '-s', '--filter', 'name=two', '--format', '{{.Size}}']),
      /^3\d\dkB \(virtual \d.*MB\)$/,
    );
    const inspected = async (query: string) => (await daemon.api('GET', `/containers/two/json${query}`)).body;
    t.match(await inspected('?size=1'), { SizeRw: Number, SizeRootFs: Number });
    t.notOk('SizeRw' in ((await inspected('')) as object));
  });

  await t.test('found by the beginning of an id, if it is of one only', async (t) => {
    const two = ids.get('two') ?? '';
    t.equal(await id(['inspect', '--format', '{{.Name}}', two.slice(0, 8)]), '/two');
    await make(two.slice(0, 8), ['create'], ['busybox']);
    t.equal(
      await id(['inspect', '--format', '{{.Name}}', two.slice(0, 8)]),
      `/${two.slice(0, 8)}`,
      'a name goes before',
    );
    // Sixteen digits for more than sixteen containers: two of them begin alike.
    const first = () => [...ids.values()].map((each) => each.slice(0, 1));
    while (new Set(first()).size === ids.size) await make(`more-${ids.size}`, ['create'], ['busybox']);
    const twice = first().find((digit, index, all) => all.indexOf(digit) !== index) ?? '';
    t.match(await daemon.api('GET', `/containers/${twice}/json`), {
      status: 400,
      body: { message: `multiple IDs found with provided prefix: ${twice}` },
    });
    t.match(await daemon.api('GET', '/containers/zz/json'), { status: 404 });
  });

  await t.test('one without a name gets one that can be said', async (t) => {
    const made = await id(['create', 'busybox']);
    t.match(await id(['inspect', '--format', '{{.Name}}', made]), /^\/[a-z]+_[a-z]+\d*$/);
  });
});
