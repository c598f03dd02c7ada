/** The daemon as its operator sets it: configuration file, reload, what docker info shows of it, logs and metrics. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';

const GANTRYD = resolve(import.meta.dirname, '../../core/bin/gantryd');
const LIMIT_MS = 30_000;

type Json = Record<string, unknown>;

async function info(daemon: TestDaemon): Promise<Json> {
  return (await daemon.api('GET', '/info')).body as Json;
}

/** SIGHUP, with `values` in the file; resolves when the log has `words` once more. */
async function reload(daemon: TestDaemon, file: string, values: unknown, words: RegExp): Promise<void> {
  const count = () => daemon.log().match(new RegExp(words, 'g'))?.length ?? 0;
  const before = count();
  writeFileSync(file, typeof values === 'string' ? values : JSON.stringify(values));
  process.kill(daemon.pid, 'SIGHUP');
  await until(() => count() > before, String(words));
}

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const end = Date.now() + LIMIT_MS; !(await holds()); await delay(20)) {
    if (Date.now() > end) throw new Error(`not within ${LIMIT_MS} ms: ${what}`);
  }
}

t.test('flags, file and reload', async (t) => {
  const dir = t.testdir();
  const file = join(dir, 'daemon.json');
  const profile = join(dir, 'profile.json');
  writeFileSync(profile, '{"defaultAction":"SCMP_ACT_ALLOW"}');
  writeFileSync(
    file,
    JSON.stringify({
      labels: ['rack=7'],
      'insecure-registries': ['reg.test:5000', '10.9.0.0/16'],
      'registry-mirrors': ['http://mirror.test:5000'],
      'seccomp-profile': profile,
      'no-new-privileges': true,
      proxies: { 'http-proxy': 'http://me:secret@proxy.test:3128' },
      runtimes: { loud: { path: '/usr/bin/crun', runtimeArgs: ['--debug'] } },
      icc: false,
    }),
  );
  const daemon = await startTestDaemon(t, {
    args: [
      '--config-file',
      file,
      '--log-driver',
      'local',
      '--log-format',
      'json',
      '--storage-driver',
      'overlay2',
    ],
  });

  await t.test('docker info shows them', async (t) => {
    const shown = await info(daemon);
    t.same(shown.Labels, ['rack=7']);
    t.equal(shown.LoggingDriver, 'local');
    t.equal(shown.Driver, 'overlay');
    t.equal(shown.Debug, false);
    t.equal(shown.HttpProxy, 'http://xxxxx:xxxxx@proxy.test:3128/');
    t.match(shown.RegistryConfig, {
      Mirrors: ['http://mirror.test:5000'],
      InsecureRegistryCIDRs: ['::1/128', '127.0.0.0/8', '10.9.0.0/16'],
      IndexConfigs: { 'reg.test:5000': { Secure: false }, 'docker.io': { Official: true } },
    });
    t.same((shown.Runtimes as Json).loud, { path: '/usr/bin/crun', runtimeArgs: ['--debug'] });
    t.match(shown.SecurityOptions, [`name=seccomp,profile=${profile}`, 'name=no-new-privileges']);
    t.match((shown.Warnings as string[])[0], /"icc" of the configuration file has no effect/);
    const { stdout, code } = await daemon.docker(['info']);
    t.equal(code, 0);
    t.match(stdout, /Labels:\n {2}rack=7/);
    t.match(stdout, /Registry Mirrors:\n {2}http:\/\/mirror.test:5000/);
    t.match(stdout, /Runtimes: .*loud/);
  });

  await t.test('the log is JSON, and the warning is in it', async (t) => {
    const lines = daemon
      .log()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Json);
    t.ok(lines.length >= 2);
    for (const { level, msg, time } of lines) {
      t.match({ level, msg, time }, { level: /^(info|warn)$/, msg: /./, time: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/ });
    }
    t.ok(lines.some(({ level, msg }) => level === 'warn' && /"icc"/.test(String(msg))));
  });

  await t.test('a reload takes what it may, and says what waits', async (t) => {
    const events = http.get({
      socketPath: daemon.socket,
      path: '/events?filters={"type":["daemon"]}',
      agent: false,
    });
    const [stream] = (await once(events, 'response')) as [http.IncomingMessage];
    const told = once(stream.setEncoding('utf8'), 'data');
    const next = {
      debug: true,
      labels: ['rack=8', 'row=1'],
      'default-runtime': 'second',
      runtimes: { second: { path: '/usr/bin/crun' } },
      'default-shm-size': '32m',
      'shutdown-timeout': 5,
    };
    // The flag says it already.
    await reload(daemon, file, { ...next, 'log-driver': 'none' }, /configuration not reloaded/);
    t.same((await info(daemon)).Labels, ['rack=7'], 'a file with a fault changes nothing');
    await reload(daemon, file, '{', /configuration not reloaded/);
    await reload(daemon, file, { ...next, 'default-runtime': 'third' }, /configuration not reloaded/);
    await reload(daemon, file, { ...next, 'log-opts': { nope: '1' } }, /configuration not reloaded/);
    t.same((await info(daemon)).Labels, ['rack=7']);

    await reload(daemon, file, { ...next, 'http-proxy': 'http://other.test' }, /configuration reloaded/);
    const shown = await info(daemon);
    t.same(shown.Labels, ['rack=8', 'row=1']);
    t.equal(shown.Debug, true);
    t.equal(shown.DefaultRuntime, 'second');
    t.ok('loud' in (shown.Runtimes as Json) && 'second' in (shown.Runtimes as Json));
    t.same((shown.RegistryConfig as Json).Mirrors, []);
    t.notMatch(shown.Warnings, [/icc/]);
    t.match(daemon.log(), /"option":"http-proxy"/, 'it waits for a restart');
    t.equal(shown.HttpProxy, 'http://xxxxx:xxxxx@proxy.test:3128/');
    t.match(
      daemon.log(),
      /"msg":"runtime removed: it stays until a restart of the daemon".*"runtime":"loud"/,
    );
    const [event] = (await told) as [string];
    t.match(JSON.parse(event), {
      Type: 'daemon',
      Action: 'reload',
      Actor: { Attributes: { labels: '["rack=8","row=1"]', debug: 'true', 'default-runtime': 'second' } },
    });
    events.destroy();
  });

  await t.test('containers run with runtimes of the operator, also over a restart', async (t) => {
    await daemon.loadBusybox();
    const run = (...args: string[]) => daemon.docker(['run', '--rm', '--network', 'none', ...args]);
    t.same(
      await run('--runtime', 'loud', 'busybox', 'echo', 'hi').then(({ stdout, code }) => [stdout, code]),
      ['hi\n', 0],
    );
    t.equal((await run('busybox', 'true')).code, 0, 'the default one');
    await daemon.docker(['run', '-d', '--name', 'long', '--network', 'none', 'busybox', 'sleep', '1000']);
    await daemon.restart();
    t.match(
      (await daemon.docker(['inspect', '-f', '{{.State.Status}} {{.HostConfig.Runtime}}', 'long'])).stdout,
      'running second',
    );
    t.match((await daemon.docker(['exec', 'long', 'echo', 'still'])).stdout, 'still');
    t.notOk('loud' in ((await info(daemon)).Runtimes as Json), 'a restart has taken it away');
  });
});

t.test('what containers get that do not say it', async (t) => {
  const file = join(t.testdir(), 'daemon.json');
  writeFileSync(file, '{"default-shm-size": "8m", "dns": ["10.1.2.3"]}');
  const daemon = await startTestDaemon(t, {
    args: [
      ...['--config-file', file, '--default-ulimit', 'nofile=123:456', '--no-new-privileges', '--init'],
      ...['--host-gateway-ip', '10.9.8.7', '--dns-search', 'example.test', '--dns-opt', 'ndots:3'],
      ...[
        '--default-ipc-mode',
        'shareable',
        '--seccomp-profile',
        'unconfined',
        '--cgroup-parent',
        '/gantry-parent',
      ],
    ],
  });
  t.teardown(() => removeCgroups('gantry-parent'));
  await daemon.loadBusybox();
  const script = `ulimit -Sn; ulimit -Hn; df -m /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2; cat /proc/1/cmdline | tr '\\0' ' '
    grep -E 'NoNewPrivs|Seccomp:' /proc/self/status; cat /etc/resolv.conf; grep gate /etc/hosts; cat /proc/self/cgroup`;
  const run = (...options: string[]) =>
    daemon.docker([
      'run',
      '--rm',
      '--network',
      'none',
      '--add-host',
      'gate:host-gateway',
      '--cgroupns',
      'host',
      ...options,
      'busybox',
      'sh',
      '-c',
      script,
    ]);
  const { stdout, stderr, code } = await run();
  t.equal(code, 0, stderr);
  t.match(stdout, /^123\n456\n8\n\/sbin\/docker-init -- sh -c/);
  t.match(stdout, /NoNewPrivs:\s+1\nSeccomp:\s+0\n/);
  t.match(stdout, /nameserver 10\.1\.2\.3\n/);
  t.match(stdout, /search example\.test\n/);
  t.match(stdout, /options ndots:3\n/);
  t.match(stdout, /10\.9\.8\.7\s+gate\n/);
  t.match(stdout, /\/gantry-parent\//);
  const own = await run(
    '--ulimit',
    'nofile=50:60',
    '--shm-size',
    '4m',
    '--security-opt',
    'no-new-privileges=false',
    '--init=false',
  );
  t.match(own.stdout, /^50\n60\n4\nsh -c/, 'what they say comes first');
  t.match(own.stdout, /NoNewPrivs:\s+0\n/);
  await reload(daemon, file, { 'default-shm-size': '16m', dns: ['10.3.2.1'] }, /configuration reloaded/);
  const after = await run();
  t.match(after.stdout, /^123\n456\n16\n/);
  t.match(after.stdout, /nameserver 10\.3\.2\.1\n/);
  await daemon.docker(['create', '--name', 'c1', '--network', 'none', 'busybox', 'true']);
  const { body } = await daemon.api('GET', '/containers/c1/json');
  t.match((body as Json).HostConfig, { IpcMode: 'shareable', ShmSize: 16 * 1024 * 1024 });
});

/** In every hierarchy, deepest first. */
async function removeCgroups(name: string): Promise<void> {
  const found = spawnSync('find', ['/sys/fs/cgroup', '-depth', '-type', 'd', '-path', `*/${name}*`], {
    encoding: 'utf8',
  });
  for (const dir of found.stdout.split('\n').filter(Boolean)) rmdirSync(dir);
}

t.test('--validate', async (t) => {
  const dir = t.testdir({
    'good.json': '{"labels": ["a=b"], "bip": "10.0.0.1/8"}',
    'bad.json': '{"lables": []}',
  });
  const validate = (file: string) =>
    spawnSync(GANTRYD, ['--validate', '--config-file', join(dir, file)], { encoding: 'utf8' });
  const good = validate('good.json');
  t.equal(good.status, 0);
  t.match(good.stderr, /^warning: "bip".*\nconfiguration OK\n$/);
  const bad = validate('bad.json');
  t.equal(bad.status, 1);
  t.match(bad.stderr, /directives don't match any configuration option: lables \(did you mean labels\?\)/);
});

t.test('the log has its level', async (t) => {
  const quiet = await startTestDaemon(t, { args: ['--log-level', 'error', '--live-restore=false'] });
  t.equal(quiet.log(), '');
  await quiet.restart({ args: ['-D'] });
  t.match(quiet.log(), /^\S+Z debug .*$/m);
});

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Prometheus' text format. */
function samples(text: string): readonly Sample[] {
  return text.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined) return [];
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key = '', said = '']) => [
      key,
      said,
    ]);
    return [{ name, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) }];
  });
}

async function scrape(address: string): Promise<readonly Sample[]> {
  const response = await fetch(`http://${address}/metrics`);
  if (!response.headers.get('content-type')?.startsWith('text/plain; version=0.0.4'))
    throw new Error('content type');
  return samples(await response.text());
}

t.test('metrics', async (t) => {
  const daemon = await startTestDaemon(t, { args: ['--metrics-addr', '127.0.0.1:0'] });
  const address = /metrics are served address=(\S+)/.exec(daemon.log())?.[1] ?? '';
  await daemon.loadBusybox();
  await daemon.docker(['run', '-d', '--name', 'c1', '--network', 'none', 'busybox', 'sleep', '1000']);
  await daemon.docker(['create', '--name', 'c2', '--network', 'none', 'busybox', 'true']);
  await daemon.docker(['volume', 'create', 'v1']);
  const found = await scrape(address);
  const sampleOf = (name: string, labels: Readonly<Record<string, string>> = {}) =>
    found.find(
      (one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value),
    )?.value;

  t.equal(sampleOf('engine_daemon_container_states_containers', { state: 'running' }), 1);
  t.equal(sampleOf('engine_daemon_container_states_containers', { state: 'stopped' }), 1);
  t.equal(sampleOf('engine_daemon_container_states_containers', { state: 'paused' }), 0);
  t.equal(sampleOf('engine_daemon_container_actions_seconds_count', { action: 'create' }), 2);
  t.equal(sampleOf('engine_daemon_container_actions_seconds_count', { action: 'start' }), 1);
  t.equal(sampleOf('engine_daemon_container_actions_seconds_count', { action: 'delete' }), 0);
  t.equal(sampleOf('engine_daemon_engine_info', { graphdriver: 'overlay', os_type: 'linux' }), 1);
  t.ok((sampleOf('engine_daemon_events_total') ?? 0) >= 4);
  t.equal(sampleOf('engine_daemon_events_subscribers_total'), 0);
  t.ok((sampleOf('engine_daemon_engine_memory_bytes') ?? 0) > 1e6);
  t.ok((sampleOf('process_resident_memory_bytes') ?? 0) > 1e6);
  t.ok((sampleOf('process_cpu_seconds_total') ?? 0) > 0);

  const page = readFileSync(resolve(import.meta.dirname, '../../docs/metrics.md'), 'utf8');
  const described = [...page.matchAll(/^\| `(\w+)`/gm)].map(([, name = '']) => name);
  const served = found
    .map(({ name }) => name.replace(/_(bucket|sum|count)$/, ''))
    .filter((name) => /^(engine|gantry)_/.test(name));
  t.same([...new Set(served)].sort(), [...described].sort(), 'docs/metrics.md');

  const local = { driver: 'local', point: 'volume' };
  t.equal(sampleOf('gantry_driver_calls_total', { ...local, method: 'create', outcome: 'ok' }), 1);
  t.equal(sampleOf('gantry_driver_call_seconds_count', { ...local, method: 'create' }), 1);
  t.equal(sampleOf('gantry_driver_call_seconds_bucket', { ...local, method: 'create', le: '+Inf' }), 1);
  t.equal(sampleOf('gantry_driver_state', { ...local, state: 'ready' }), 1);
  t.equal(sampleOf('gantry_driver_in_flight', local), 0);
  t.ok((sampleOf('gantry_driver_in_flight', { point: 'runtime' }) ?? -1) >= 0);

  const probes = async (name: string) => (await scrape(address)).find((one) => one.name === name)?.value ?? 0;
  t.equal(await probes('engine_daemon_health_checks_total'), 0);
  const health = ['--health-cmd', 'false', '--health-interval', '100ms'];
  await daemon.docker(['run', '-d', ...health, '--network', 'none', 'busybox', 'sleep', '1000']);
  await until(async () => (await probes('engine_daemon_health_checks_failed_total')) > 0, 'a failed probe');
  t.ok((await probes('engine_daemon_health_checks_total')) > 0);

  t.equal((await fetch(`http://${address}/`)).status, 404);
  t.equal((await fetch(`http://${address}/metrics`, { method: 'POST' })).status, 405);
});

t.test('an address of metrics that is taken ends the start', async (t) => {
  const dir = t.testdir();
  mkdirSync(join(dir, 'run'));
  const server = net.createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as net.AddressInfo;
  const { status, stderr } = spawnSync(
    GANTRYD,
    [
      '-H',
      `unix://${dir}/s`,
      '--data-root',
      `${dir}/d`,
      '--exec-root',
      `${dir}/run`,
      '--metrics-addr',
      `127.0.0.1:${port}`,
    ],
    { encoding: 'utf8' },
  );
  t.equal(status, 1);
  t.match(stderr, /serve metrics on 127\.0\.0\.1:\d+: .*EADDRINUSE/);
  t.throws(() => readFileSync(join(dir, 's')), { code: 'ENOENT' });
});
