/** What each Engine API version gets, against Docker's published descriptions. They are data beside the project; without
 * them the comparison is skipped, and says so. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { shapeOf } from '../../core/api/routes/absent.ts';
import { startDocker } from '../bench/peer.ts';
import { presentOperations } from '../docs/compatibility.ts';
import { ask, startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';
import { unmountBelow } from '../fixtures/left-behind.ts';
import { ANSWERS, type Answer, OF_REGISTRIES } from './api-versions/answers.ts';
import { type Description, describe, NO_DESCRIPTIONS } from './api-versions/descriptions.ts';

type Json = Record<string, unknown>;

t.test('answers fit the published descriptions', { skip: NO_DESCRIPTIONS }, async (t) => {
  const daemon = await startTestDaemon(t);
  const execId = await prepare(t, daemon);
  for (const version of ['1.41', '1.44', '1.51', '1.55']) {
    await t.test(version, async (t) => {
      const description = describe(version);
      for (const answer of ANSWERS) {
        if (!description.has(answer.operation)) continue;
        const named = {
          ...answer,
          url: answer.url.replace('EXEC', execId).replace('NOW', String(Math.ceil(Date.now() / 1000))),
        };
        t.same(await faultsOf(daemon, version, named, description), [], `${answer.operation} ${answer.url}`);
      }
    });
  }
  const asked = new Set(ANSWERS.filter(({ status }) => status < 300).map(({ operation }) => operation));
  const present = new Set(presentOperations());
  const answerJson = describe('1.55').jsonOperations.filter((operation) => present.has(shapeOf(operation)));
  t.ok(answerJson.length > 15, `${answerJson.length} operations answer with JSON`);
  t.same(
    answerJson.filter((operation) => !asked.has(operation) && !OF_REGISTRIES.includes(operation)),
    [],
    'ANSWERS asks each of them',
  );
});

async function prepare(t: Test, daemon: TestDaemon): Promise<string> {
  await daemon.loadBusybox();
  await daemon.api('POST', '/volumes/create', { Name: 'v1', Labels: { a: 'b' } });
  const HostConfig = { NetworkMode: 'none', Binds: ['v1:/v', '/tmp:/t:ro'] };
  for (const [name, Cmd] of [
    ['c1', ['true']],
    ['r1', ['sleep', '1000']],
  ] as const) {
    const body = { Image: 'busybox', Cmd, Volumes: { '/anon': {} }, HostConfig };
    t.equal((await daemon.api('POST', `/containers/create?name=${name}`, body)).status, 201);
    t.equal((await daemon.api('POST', `/containers/${name}/start`)).status, 204);
  }
  await daemon.api('POST', '/containers/c1/wait');
  const exec = await daemon.api('POST', '/containers/r1/exec', { Cmd: ['true'] });
  const id = String((exec.body as Json).Id);
  await daemon.api('POST', `/exec/${id}/start`, { Detach: true });
  // Its exit code is null until then.
  while (((await daemon.api('GET', `/exec/${id}/json`)).body as Json).Running) await delay(20);
  return id;
}

/** What of an answer is not as it is described, with its status. */
async function faultsOf(
  daemon: TestDaemon,
  version: string,
  { operation, url, body, status, before }: Answer,
  description: Description,
): Promise<readonly string[]> {
  await before?.(daemon);
  const [method = ''] = operation.split(' ');
  const answer = await daemon.api(method, `/v${version}${url}`, body);
  if (answer.status !== status) return [`${answer.status}: ${answer.text}`];
  // A stream of JSON: each line is one.
  const values =
    answer.body === undefined
      ? answer.text
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line))
      : [answer.body];
  const validate = description.validator(operation, status);
  return values.flatMap((value) => {
    validate(value);
    return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  });
}

t.test('shapes that changed between versions', async (t) => {
  const daemon = await startTestDaemon(t);
  await daemon.loadBusybox();
  await daemon.api('POST', '/containers/create?name=c1', {
    Image: 'busybox',
    Cmd: ['true'],
    HostConfig: { NetworkMode: 'none', Annotations: { a: 'b' } },
  });
  const at = async (version: string, url: string) =>
    (await daemon.api('GET', `/v${version}${url}`)).body as Json;
  const has = async (version: string, url: string, path: string): Promise<boolean> => {
    const body = await at(version, url);
    const start = Array.isArray(body) ? body[0] : body;
    const value = path.split('.').reduce<unknown>((from, key) => (from as Json | undefined)?.[key], start);
    return value !== undefined;
  };

  /** A field, and the versions in which it was last or first there. */
  const fields: readonly (readonly [url: string, path: string, last: string, first: string])[] = [
    ['/images/busybox/json', 'Parent', '1.51', ''],
    ['/images/busybox/json', 'GraphDriver', '1.51', ''],
    ['/images/busybox/json', 'Config.Volumes', '1.51', ''],
    ['/images/busybox/json', 'Config.Hostname', '1.49', ''],
    ['/images/busybox/json', 'ContainerConfig.Hostname', '1.44', ''],
    ['/images/busybox/json', 'VirtualSize', '1.43', ''],
    ['/images/json', 'VirtualSize', '1.43', ''],
    ['/containers/c1/json', 'NetworkSettings.MacAddress', '1.51', ''],
    ['/containers/c1/json', 'GraphDriver.Name', '1.51', ''],
    ['/containers/c1/json', 'HostConfig.KernelMemory', '1.41', ''],
    ['/containers/c1/json', 'Storage', '', '1.52'],
    ['/containers/json?all=1', 'Health', '', '1.52'],
    ['/info', 'BridgeNfIptables', '1.49', ''],
    ['/info', 'RuncCommit.Expected', '1.48', ''],
    ['/info', 'RegistryConfig.AllowNondistributableArtifactsCIDRs', '1.47', ''],
    ['/info', 'KernelMemory', '1.41', ''],
    ['/info', 'ExecutionDriver', '1.24', ''],
  ];
  for (const [url, path, last, first] of fields) {
    const next = last && `1.${Number(last.slice(2)) + 1}`;
    const before = first && `1.${Number(first.slice(2)) - 1}`;
    const found = { there: await has(last || first, url, path), away: await has(next || before, url, path) };
    t.same(found, { there: true, away: false }, `${url} ${path} up to ${last} from ${first}`);
    t.equal(await has('1.24', url, path), last !== '', `${path} in the oldest`);
    t.equal(await has('1.55', url, path), first !== '', `${path} in the newest`);
  }
  t.equal(((await at('1.51', '/images/json')) as unknown as Json[])[0]?.Containers, 1);
  t.equal(((await at('1.50', '/images/json')) as unknown as Json[])[0]?.Containers, -1);
  t.match((await at('1.25', '/info')).SecurityOptions, [/^name=seccomp,profile=/]);
  t.match((await at('1.24', '/info')).SecurityOptions, ['seccomp']);

  for (const [version, words] of [
    ['1.23', /client version 1\.23 is too old\. Minimum supported API version is 1\.24, please upgrade/],
    ['1.99', /client version 1\.99 is too new\. Maximum supported API version is 1\.55/],
  ] as const) {
    const { status, text, body } = await daemon.api('GET', `/v${version}/info`);
    t.equal(status, 400);
    t.match(text, words);
    t.equal(body === undefined, version === '1.23', 'a client as old as that knows no errors in JSON');
  }
});

t.test('what older clients ask', async (t) => {
  const daemon = await startTestDaemon(t);
  const image = await daemon.loadBusybox();
  /** Creates with `more` in HostConfig; answers what the record then says of it. */
  const created = async (version: string, more: object): Promise<Json> => {
    const { status, text, body } = await daemon.api('POST', `/v${version}/containers/create`, {
      Image: 'busybox',
      Cmd: ['true'],
      HostConfig: { NetworkMode: 'none', ...more },
    });
    if (status !== 201) return { refused: text };
    return ((await daemon.api('GET', `/containers/${(body as Json).Id}/json`)).body as Json)
      .HostConfig as Json;
  };
  t.equal((await created('1.39', {})).IpcMode, 'shareable');
  t.not((await created('1.40', {})).IpcMode, 'shareable');
  t.equal((await created('1.39', { IpcMode: 'private' })).IpcMode, 'private');
  t.equal((await created('1.24', { AutoRemove: true })).AutoRemove, false, 'the client removes it');
  t.equal((await created('1.25', { AutoRemove: true })).AutoRemove, true);
  t.notOk('Annotations' in (await created('1.42', { Annotations: { a: 'b' } })));
  const bind = (options: object) => ({
    Mounts: [{ Type: 'bind', Source: '/tmp', Target: '/t', ReadOnly: true, BindOptions: options }],
  });
  const optionsOf = ({ Mounts }: Json) => (Mounts as Json[])[0]?.BindOptions;
  t.match(optionsOf(await created('1.43', bind({}))), { ReadOnlyNonRecursive: true });
  t.notMatch(optionsOf(await created('1.44', bind({}))) ?? {}, { ReadOnlyNonRecursive: true });
  t.notOk('NonRecursive' in (optionsOf(await created('1.39', bind({ NonRecursive: true }))) as Json));
  const imageMount = { Mounts: [{ Type: 'image', Source: 'busybox', Target: '/i' }] };
  t.match((await created('1.47', imageMount)).refused, /Mount type \\"Image\\" needs API v1.48 or newer/);
  t.notOk((await created('1.48', imageMount)).refused);
  const subpath = {
    Mounts: [{ Type: 'volume', Source: 'v', Target: '/v', VolumeOptions: { Subpath: 'x' } }],
  };
  t.match((await created('1.44', subpath)).refused, /VolumeOptions.Subpath needs API v1.45 or newer/);
  const foreign = { Mounts: [{ Type: 'tmpfs', Target: '/x', BindOptions: { Propagation: 'private' } }] };
  t.notOk((await created('1.41', foreign)).refused);

  const list = async (version: string, query: string) =>
    (await daemon.api('GET', `/v${version}/images/json?${query}`)).body as Json[];
  t.equal((await list('1.40', 'filter=busy*')).length, 1);
  t.equal((await list('1.40', 'filter=nope*')).length, 0);
  t.equal((await list('1.41', 'filter=nope*')).length, 1, 'the parameter is no longer known');
  const refused = await daemon.api('GET', '/v1.40/images/json?filter=x&filters={');
  t.equal(refused.status, 400, 'filters that are no JSON stay a fault');

  await daemon.api('POST', '/containers/create?name=c1', {
    Image: image,
    Cmd: ['true'],
    HostConfig: { NetworkMode: 'none' },
  });
  const withBody = await daemon.api('POST', '/v1.24/containers/c1/start', { Binds: ['/tmp:/x'] });
  t.same(withBody, {
    status: 400,
    text: withBody.text,
    body: {
      message:
        'starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24',
    },
  });
  t.equal((await daemon.api('POST', '/v1.24/containers/c1/start', {})).status, 204);
  t.equal((await daemon.api('POST', '/v1.29/containers/c1/wait?condition=nonsense')).status, 200);
  t.equal((await daemon.api('POST', '/v1.30/containers/c1/wait?condition=nonsense')).status, 400);
});

t.test('the docker command of each version', async (t) => {
  const daemon = await startTestDaemon(t);
  await daemon.loadBusybox();
  for (const version of ['1.24', '1.25', '1.30', '1.35', '1.40', '1.41', '1.43', '1.45', '1.47', '1.51']) {
    const docker = (...args: string[]) => daemon.docker(args, { env: { DOCKER_API_VERSION: version } });
    const name = `c${version}`;
    const ran = await docker(
      'run',
      '--name',
      name,
      '--network',
      'none',
      '-v',
      `v${version}:/v`,
      'busybox',
      'echo',
      'hi',
    );
    t.match(ran, { code: 0, stdout: 'hi\n' }, `${version} run`);
    t.match(await docker('ps', '-a', '--format', '{{.Names}} {{.Status}}'), {
      stdout: new RegExp(`${name} Exited`),
    });
    t.match(await docker('inspect', '-f', '{{.Name}} {{.State.ExitCode}}', name), { stdout: `/${name} 0\n` });
    t.match(await docker('logs', name), { code: 0, stdout: 'hi\n' });
    t.match(await docker('images', '--format', '{{.Repository}}:{{.Tag}}'), { stdout: 'busybox:latest\n' });
    t.match(await docker('volume', 'ls', '-q'), { stdout: new RegExp(`^v${version}$`, 'm') });
    t.match(await docker('info', '-f', '{{.Driver}}'), { code: 0, stdout: 'overlay\n' });
    t.match(await docker('version', '-f', '{{.Client.APIVersion}} {{.Server.APIVersion}}'), {
      stdout: `${version} 1.55\n`,
    });
    t.equal((await docker('rm', '-v', name)).code, 0, `${version} rm`);
  }
  const tooOld = await daemon.docker(['ps'], { env: { DOCKER_API_VERSION: '1.23' } });
  t.equal(tooOld.code, 1);
  t.match(tooOld.stderr, /client version 1\.23 is too old/);
});

const noPeer = spawnSync('dockerd', ['--version']).status !== 0 && 'dockerd is not on this machine';

t.test('beside a Docker Engine: no field of its answers is missing', { skip: noPeer }, async (t) => {
  const dir = mkdtempSync(path.join(tmpdir(), 'gantry-peer-'));
  const peer = await startDocker(dir);
  t.teardown(async () => {
    await peer.stop();
    unmountBelow(dir);
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
  });
  const daemon = await startTestDaemon(t);
  await daemon.loadBusybox();
  const loaded = spawnSync('docker', [
    '-H',
    `unix://${peer.socket}`,
    'load',
    '-i',
    path.join(daemon.dir, 'busybox.tar'),
  ]);
  t.equal(loaded.status, 0);
  const both = (version: string, method: string, url: string, body?: unknown) =>
    Promise.all([
      ask(peer.socket, method, `/v${version}${url}`, body),
      daemon.api(method, `/v${version}${url}`, body),
    ]);
  const container = {
    Image: 'busybox',
    Cmd: ['true'],
    Volumes: { '/anon': {} },
    HostConfig: { NetworkMode: 'none', Binds: ['/tmp:/t'] },
  };
  for (const made of [
    await both('1.41', 'POST', '/volumes/create', { Name: 'v1', Labels: { a: 'b' } }),
    await both('1.41', 'POST', '/containers/create?name=c1', container),
  ]) {
    t.same(
      made.map(({ status }) => status),
      [201, 201],
    );
  }
  for (const version of ['1.24', '1.30', '1.39', '1.40', '1.41']) {
    for (const url of PEER_URLS) {
      const [theirs, ours] = await both(version, 'GET', url);
      t.equal(ours.status, theirs.status, `${version} ${url}`);
      const there = fieldsOf(ours.body);
      const missing = [...fieldsOf(theirs.body)].filter(
        (field) => !there.has(field) && !PEER_ALONE.test(field),
      );
      t.same(missing, [], `${version} ${url}`);
    }
  }
});

const PEER_URLS = [
  ...['/version', '/info', '/containers/json?all=1', '/containers/c1/json', '/images/json'],
  ...[
    '/images/busybox/json',
    '/images/busybox/history',
    '/volumes',
    '/volumes/v1',
    '/networks/none',
    '/containers/nope/json',
  ],
];

/** What is named after its runtimes, networks and directories, which are others here. */
const PEER_ALONE = /^Runtimes\.|GraphDriver\.Data\./;

/** `[].Names`, `State.Pid`: every field of an answer. */
function fieldsOf(value: unknown, prefix = '', found = new Set<string>()): Set<string> {
  if (Array.isArray(value)) for (const item of value) fieldsOf(item, `${prefix}[].`, found);
  else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      found.add(prefix + key);
      fieldsOf(inner, `${prefix}${key}.`, found);
    }
  }
  return found;
}
