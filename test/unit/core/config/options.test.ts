/** Flags and configuration file: what they become, and what is refused. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { daemonHelp } from '../../../../core/config/options/help.ts';
import { type DaemonOptions, parseDaemonArgs } from '../../../../core/config/options/read.ts';

function read(args: readonly string[]): DaemonOptions {
  const { options } = parseDaemonArgs(args);
  if (!options) throw new Error('no options');
  return options;
}

/** With `values` in a file, as text or JSON. */
function readFile(t: Test, values: unknown, args: readonly string[] = []): DaemonOptions {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-options-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'daemon.json');
  writeFileSync(file, typeof values === 'string' ? values : JSON.stringify(values));
  return read(['--config-file', file, ...args]);
}

t.test('flags as dockerd takes them', async (t) => {
  const options = read([
    ...['-H', 'unix:///a', '--host=tcp://b:1', '-Htcp://c:2', '-D', '--label', 'a=b', '--label=c=d=e'],
    ...['--default-ulimit', 'nofile=1024:4096', '--default-ulimit=nproc=5', '--default-shm-size', '128M'],
    ...['--add-runtime', 'other=/usr/bin/other', '--log-opt', 'max-size=1m', '--storage-driver=overlay2'],
    ...['--live-restore=true', '--tls=false', '--shutdown-timeout', '-1', '--log-format', 'json'],
  ]);
  t.same(options.hosts, ['unix:///a', 'tcp://b:1', 'tcp://c:2']);
  t.same(options.labels, ['a=b', 'c=d=e']);
  t.same(options.defaultUlimits, {
    nofile: { Name: 'nofile', Soft: 1024, Hard: 4096 },
    nproc: { Name: 'nproc', Soft: 5, Hard: 5 },
  });
  t.equal(options.defaultShmSize, 128 * 1024 * 1024);
  t.same(options.runtimes, { other: { path: '/usr/bin/other', args: [] } });
  t.same(options.log, { Type: 'json-file', Config: { 'max-size': '1m' } });
  t.equal(options.logLevel, 'debug');
  t.equal(options.shutdownTimeout, -1);
  t.equal(options.tls, undefined);
  t.same(options.warnings, []);
});

t.test('the file, with its plural names', async (t) => {
  const options = readFile(t, {
    ...{ debug: false, labels: ['x=1'], hosts: ['fd://'], 'log-level': 'warn', 'log-driver': 'local' },
    ...{ 'log-opts': { 'max-file': '2' }, 'default-shm-size': '1g', 'max-concurrent-downloads': 7 },
    'default-ulimits': { nofile: { Name: 'nofile', Soft: 10, Hard: 20 }, core: { Hard: 0, Soft: 0 } },
    runtimes: { slow: { path: '/bin/crun', runtimeArgs: ['--debug'] } },
    proxies: { 'http-proxy': 'http://p:1', 'no-proxy': 'x' },
    'insecure-registries': ['r:5000'],
    'registry-mirrors': ['http://m:5000/'],
    'seccomp-profile': 'unconfined',
  });
  t.same(options.hosts, ['fd://']);
  t.equal(options.logLevel, 'warn');
  t.same(options.log, { Type: 'local', Config: { 'max-file': '2' } });
  t.equal(options.defaultShmSize, 1024 ** 3);
  t.same(options.defaultUlimits.core, { Name: 'core', Soft: 0, Hard: 0 });
  t.same(options.runtimes, { slow: { path: '/bin/crun', args: ['--debug'] } });
  t.equal(options.httpProxy, 'http://p:1');
  t.equal(options.maxConcurrentDownloads, 7);
  t.equal(options.seccompProfile, 'unconfined');
});

t.test('an empty file is an empty configuration; runtimes of flags and file come together', async (t) => {
  t.equal(read(['--config-file', '/dev/null']).logLevel, 'info');
  const both = readFile(t, { runtimes: { a: { path: '/a' } } }, ['--add-runtime', 'b=/b']);
  t.same(Object.keys(both.runtimes), ['a', 'b']);
});

t.test('what is refused, and in which words', async (t) => {
  const flags: readonly (readonly [readonly string[], RegExp])[] = [
    [['--data-rot', '/x'], /unknown flag: --data-rot \(did you mean --data-root\?\)/],
    [['-Z'], /unknown flag: -Z/],
    [['--data-root'], /flag needs an argument: --data-root/],
    [['word'], /unexpected argument "word"/],
    [['--tls=maybe'], /invalid argument "maybe" for --tls: true or false is expected/],
    [['--log-level', 'loud'], /"debug" or "info"/],
    [['--default-shm-size', 'big'], /invalid size: 'big'/],
    [['--default-ulimit', 'nofiles=1'], /invalid ulimit type: nofiles/],
    [['--default-ulimit', 'nofile=5:4'], /soft limit must be less than or equal to hard limit: 5 > 4/],
    [['--default-ulimit', 'nofile=-1:4'], /soft limit must be less/],
    [['--label', 'lonely'], /bad attribute format: lonely/],
    [['--label', 'a=1', '--label', 'a=2'], /conflict labels/],
    [['--registry-mirror', 'http://m/v1/'], /path, query, or fragment/],
    [['--registry-mirror', 'm:5000'], /not a URL of http or https/],
    [['--dns', 'nowhere'], /nowhere is not an ip address/],
    [['--add-runtime', '=x'], /NAME=VALUE is expected/],
    [['--max-concurrent-downloads', '-1'], /at least 0 is expected/],
    [['--tlsverify', '--tlscert', 'x'], /TLS needs --tlskey, --tlscacert/],
    [['--userns-remap', 'default'], /--userns-remap: there are no user namespaces yet/],
    [['--authorization-plugin', 'x'], /authorization plugins are not asked yet/],
    [
      ['--config-file', '/nope/daemon.json'],
      /unable to configure the daemon with file \/nope\/daemon.json.*no such file/,
    ],
  ];
  for (const [args, words] of flags) t.throws(() => read(args), { message: words }, args.join(' '));

  const files: readonly (readonly [unknown, RegExp])[] = [
    [{ debgu: true, wat: 1 }, /don't match any configuration option: debgu \(did you mean debug\?\), wat/],
    ['{', /unable to configure the daemon with file .*JSON/],
    ['[]', /an object is expected/],
    [{ debug: 'yes' }, /debug: true or false is expected/],
    [{ label: ['a=b'] }, /don't match any configuration option: label \(did you mean labels\?\)/],
    [{ labels: 'a=b' }, /labels: a list is expected/],
    [
      { runtimes: { x: { runtimeType: 'io.containerd.kata.v2' } } },
      /runtime "x": runtimeType: only path and runtimeArgs/,
    ],
    [{ runtimes: { x: {} } }, /runtime "x": a path is expected/],
    [{ 'userns-remap': 'default' }, /"userns-remap" of the configuration file: there are no user namespaces/],
  ];
  for (const [values, words] of files) {
    t.throws(() => readFile(t, values), { message: words }, JSON.stringify(values));
  }
});

t.test('a flag and the file at once', async (t) => {
  t.throws(() => readFile(t, { debug: true, labels: ['a=b'] }, ['-D', '--label', 'c=d']), {
    code: 'INVALID_CONFIG_FILE',
    message:
      /specified both as a flag and in the configuration file: labels: \(from flag: c=d, from file: \["a=b"\]\), debug: \(from flag: true, from file: true\)/,
  });
});

t.test("Docker's options without use are named, in flag and file", async (t) => {
  const { warnings } = readFile(t, { icc: false, features: { buildkit: true }, 'userns-remap': '' }, [
    ...['--iptables=false', '-b', 'none', '--live-restore=false', '--node-generic-resource', 'gpu=1'],
  ]);
  t.match(
    warnings.find((line) => line.includes('icc')),
    /"icc" of the configuration file has no effect: /,
  );
  t.match(warnings.join('\n'), /--iptables has no effect.*\n/);
  t.match(warnings.join('\n'), /--bridge has no effect/);
  t.match(warnings.join('\n'), /"features"/);
  t.match(warnings.join('\n'), /--node-generic-resource has no effect: there is no swarm/);
  t.match(warnings.join('\n'), /live-restore=false has no effect/);
  t.notMatch(warnings.join('\n'), /userns/, 'a protection that is off is none that is missed');
});

t.test('actions and the help', async (t) => {
  t.same(parseDaemonArgs(['-v']), { action: 'version' });
  t.same(parseDaemonArgs(['-Dh']), { action: 'help' });
  t.equal(parseDaemonArgs(['--validate']).action, 'validate');
  const help = daemonHelp();
  t.match(help, /-H, --host ADDRESS +Listen here/);
  t.same(
    help.split('\n').filter((line) => line.length > 100),
    [],
  );
});
