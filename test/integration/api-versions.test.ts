/** What each Engine API version gets, against Docker's published descriptions. They are data beside the project; without
 * them the comparison is skipped, and says so. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv, type ValidateFunction } from 'ajv';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';

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
    HostConfig: { NetworkMode: 'none' },
  });
  const at = async (version: string, url: string) =>
    (await daemon.api('GET', `/v${version}${url}`)).body as Json;

  const newest = await at('1.55', '/images/busybox/json');
  t.notOk('VirtualSize' in newest || 'ContainerConfig' in newest || 'Parent' in newest);
  t.ok('Parent' in (await at('1.51', '/images/busybox/json')));
  t.ok('ContainerConfig' in (await at('1.44', '/images/busybox/json')));
  t.ok('VirtualSize' in (await at('1.43', '/images/busybox/json')));
  t.notOk('VirtualSize' in (await at('1.44', '/images/busybox/json')));
  t.ok('MacAddress' in ((await at('1.51', '/containers/c1/json')).NetworkSettings as Json));
  t.notOk('MacAddress' in ((await at('1.52', '/containers/c1/json')).NetworkSettings as Json));

  for (const [version, words] of [
    ['1.24', /client version 1\.24 is too old\. Minimum supported API version is 1\.41/],
    ['1.99', /client version 1\.99 is too new\. Maximum supported API version is 1\.55/],
  ] as const) {
    const { status, body } = await daemon.api('GET', `/v${version}/info`);
    t.equal(status, 400);
    t.match((body as { message: string }).message, words);
  }
});
