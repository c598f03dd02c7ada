/** What each Engine API version gets, against Docker's published descriptions. They are data beside the project; without
 * them the comparison is skipped, and says so. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { startDocker } from '../bench/peer.ts';
import { ask, startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';
import { unmountBelow } from '../fixtures/left-behind.ts';

const SCHEMAS = path.resolve(import.meta.dirname, '../../../shared/schemas/engine-api');
const SKIP = existsSync(SCHEMAS) ? false : "Docker's published API descriptions are not beside the project";

/** Request → the definition of its answer: a name, `[name]` for a list, or a path and status of the description. */
const ANSWERS: readonly (readonly [method: string, url: string, operation: string, status: string])[] = [
  ['GET', '/version', '/version get', '200'],
  ['GET', '/info', '/info get', '200'],
  ['GET', '/containers/json?all=1', '/containers/json get', '200'],
  ['GET', '/containers/c1/json', '/containers/{id}/json get', '200'],
  ['GET', '/images/json', '/images/json get', '200'],
  ['GET', '/images/busybox/json', '/images/{name}/json get', '200'],
  ['GET', '/images/busybox/history', '/images/{name}/history get', '200'],
  ['GET', '/volumes', '/volumes get', '200'],
  ['GET', '/volumes/v1', '/volumes/{name} get', '200'],
  ['GET', '/containers/nope/json', '/containers/{id}/json get', '404'],
  ['GET', '/volumes/nope', '/volumes/{name} get', '404'],
  ['POST', '/containers/c1/wait', '/containers/{id}/wait post', '200'],
];

type Json = Record<string, unknown>;

/** Swagger 2.0 as JSON Schema: `x-nullable` becomes a type of its own. */
function toJsonSchema(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(toJsonSchema);
  if (typeof node !== 'object' || node === null) return node;
  const entries = Object.entries(node).filter(
    ([key]) => !['example', 'format', 'x-go-name', 'x-go-type', 'readOnly', 'discriminator'].includes(key),
  );
  const { 'x-nullable': nullable, ...schema } = Object.fromEntries(
    entries.map(([key, value]) => [
      key,
      OR_NULL.includes(key) ? orNull(toJsonSchema(value)) : toJsonSchema(value),
    ]),
  ) as Json;
  // The engine, written in Go, sends null for any list or map that is empty; the description does not say so.
  const isEmptyNull = schema.type === 'array' || schema.type === 'object';
  return nullable === true || isEmptyNull ? orNull(schema) : schema;
}

/** Sent as null when they are not set, which the description does not say either. */
const OR_NULL = ['MemorySwappiness', 'OomKillDisable'];

function orNull(schema: unknown): object {
  return { anyOf: [schema, { type: 'null' }] };
}

function validators(version: string): (operation: string, status: string) => ValidateFunction {
  const description = parse(readFileSync(path.join(SCHEMAS, `v${version}.yaml`), 'utf8')) as Json;
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  ajv.addSchema({
    $id: 'api',
    definitions: toJsonSchema(description.definitions),
    responses: toJsonSchema(description.responses ?? {}),
  });
  return (operation, status) => {
    const [at = '', method = ''] = operation.split(' ');
    const responses = ((description.paths as Json)[at] as Json)[method] as { responses: Json };
    const { schema } = responses.responses[status] as { schema: Json };
    const local = JSON.parse(JSON.stringify(toJsonSchema(schema)).replaceAll('"#/', '"api#/')) as object;
    return ajv.compile(local);
  };
}

t.test('answers fit the published descriptions', { skip: SKIP }, async (t) => {
  const daemon = await startTestDaemon(t);
  await daemon.loadBusybox();
  await daemon.api('POST', '/volumes/create', { Name: 'v1', Labels: { a: 'b' } });
  const created = await daemon.api('POST', '/containers/create?name=c1', {
    Image: 'busybox',
    Cmd: ['true'],
    Volumes: { '/anon': {} },
    HostConfig: { NetworkMode: 'none', Binds: ['v1:/v', '/tmp:/t:ro'] },
  });
  t.equal(created.status, 201);
  await daemon.api('POST', '/containers/c1/start');
  await daemon.api('POST', '/containers/c1/wait');
  for (const version of ['1.41', '1.44', '1.51', '1.55']) {
    await t.test(version, (t) => compare(t, daemon, version));
  }
});

async function compare(t: Test, daemon: TestDaemon, version: string): Promise<void> {
  const validatorOf = validators(version);
  for (const [method, url, operation, status] of ANSWERS) {
    const answer = await daemon.api(method, `/v${version}${url}`);
    const validate = validatorOf(operation, status);
    t.equal(String(answer.status), status, `${method} ${url}`);
    validate(answer.body);
    const faults = (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
    t.same(faults, [], `${method} ${url} fits`);
  }
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
  ...['/images/busybox/json', '/images/busybox/history', '/volumes', '/volumes/v1', '/containers/nope/json'],
];

/** What is named after its runtimes, networks and directories, which are others here. */
const PEER_ALONE = /^Runtimes\.|GraphDriver\.Data\.|NetworkSettings\.Networks\.none/;

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
