/** Docker's messages: the schemas against what a real Docker Engine 29.7.2 sent, and volumes to the contract and back. */
import { readdirSync, readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import t, { type Test } from 'tap';
import type { WireMethod } from '../../../plugin-sdk/wire/method.ts';
import { wireMethods } from '../../../plugin-sdk/wire/methods.ts';
import { pluginActivate } from '../../../plugin-sdk/wire/plugin.ts';
import { fieldOf, parseFirstJson, readMessage } from '../../../plugin-sdk/wire/read.ts';
import { byMethodName } from '../../../plugin-sdk/wire/translation.ts';
import { volumeFromWire, volumeMethods, volumeTranslation } from '../../../plugin-sdk/wire/volume.ts';

const traces = new URL('../../fixtures/traces-29/', import.meta.url);

interface RecordedCall {
  readonly method: string;
  readonly request: object | null;
  readonly status: number | null;
  readonly response: Record<string, unknown> | null;
}

function recordedCalls(file: string): readonly RecordedCall[] {
  const trace = JSON.parse(readFileSync(new URL(file, traces), 'utf8'));
  return trace.steps.flatMap((step: { calls?: RecordedCall[] }) => step.calls ?? []);
}

const byName: ReadonlyMap<string, WireMethod> = new Map(
  [...wireMethods, pluginActivate].map((method) => [method.name, method]),
);
const volumeRows = new Map(
  [...byMethodName(volumeTranslation).values()].map((row) => [row.method.name, row]),
);

t.test('lists every method once, each described', async (t) => {
  t.equal(wireMethods.length, 38);
  t.equal(byName.size, 39);
  const kinds = Object.groupBy(wireMethods, ({ name }) => name.split('.')[0] ?? '');
  t.same(Object.fromEntries(Object.entries(kinds).map(([kind, methods]) => [kind, methods?.length])), {
    VolumeDriver: 8,
    NetworkDriver: 15,
    IpamDriver: 6,
    LogDriver: 4,
    AuthZPlugin: 2,
    MetricsCollector: 2,
    SecretProvider: 1,
  });
  for (const { name, request, answer } of byName.values()) {
    t.match([request, answer], [{ description: /\w/ }, { description: /\w/ }], name);
  }
});

t.test('gives each method the body and the time that Docker gives it', async (t) => {
  const none = wireMethods.filter(({ body }) => body === 'none').map(({ name }) => name);
  t.same(none, [
    'NetworkDriver.GetCapabilities',
    'IpamDriver.GetCapabilities',
    'IpamDriver.GetDefaultAddressSpaces',
    'LogDriver.Capabilities',
    'MetricsCollector.StartMetrics',
    'MetricsCollector.StopMetrics',
  ]);
  const empty = wireMethods.filter(({ body }) => body === 'empty-object').map(({ name }) => name);
  t.same(empty, ['VolumeDriver.List', 'VolumeDriver.Capabilities']);
  const slow = wireMethods.filter(({ timeoutMs }) => timeoutMs === 120_000).map(({ name }) => name);
  t.same(slow, ['VolumeDriver.Create', 'VolumeDriver.Mount']);
  const other = wireMethods.filter(({ errorField }) => errorField === 'Error').map(({ name }) => name);
  t.equal(other.length, 6);
  t.ok(other.every((name) => name.startsWith('IpamDriver.')));
});

t.test('ajv takes every schema', async (t) => {
  const ajv = new Ajv({ strict: true, allowUnionTypes: true });
  for (const { name, request, answer } of byName.values()) {
    t.doesNotThrow(() => [ajv.compile(request), ajv.compile(answer)], name);
  }
});

for (const file of readdirSync(traces)) {
  t.test(`reads what Docker recorded: ${file}`, async (t) => {
    for (const call of recordedCalls(file)) {
      const method = byName.get(call.method);
      if (method === undefined) {
        t.fail(`unknown method ${call.method}`);
        continue;
      }
      checkRequest(t, call, method);
      if (call.status === 200 && call.response !== null) checkAnswer(t, call, method);
    }
  });
}

function checkRequest(t: Test, call: RecordedCall, method: WireMethod): void {
  t.equal(call.request === null, method.body === 'none', `${method.name}: with a body or without`);
  if (method.body === 'empty-object') t.same(call.request, {});
  const row = volumeRows.get(method.name);
  if (row === undefined) return;
  // A few calls were made by the recorder itself, beside Docker, and have no options.
  const request = method === volumeMethods.create ? { Opts: null, ...call.request } : call.request;
  const read = readMessage(method.request, call.request);
  t.same(read, { value: request }, `${method.name}: request ${JSON.stringify(call.request)}`);
  t.same(row.request.toWire(row.request.fromWire(read.value)), request, 'and back');
}

function checkAnswer(t: Test, { response, request }: RecordedCall, method: WireMethod): void {
  if (fieldOf(response, method.errorField)) return;
  const read = readMessage(method.answer, response);
  const row = volumeRows.get(method.name);
  if (read.faults !== undefined || row === undefined) {
    const hasNoMountpoint = method === volumeMethods.mount && !fieldOf(response, 'Mountpoint');
    if (row !== undefined) t.ok(hasNoMountpoint, `${method.name}: ${read.faults}`);
    return;
  }
  const once = row.answer.fromWire(read.value, row.request.fromWire(request));
  const again = readMessage(method.answer, JSON.parse(JSON.stringify(row.answer.toWire(once))));
  t.same(
    row.answer.fromWire(again.value, request),
    once,
    `${method.name}: ${JSON.stringify(response)} and back`,
  );
}

t.test('reads a message as Docker does', async (t) => {
  const { list, get, create, mount } = volumeMethods;
  const rows: [string, WireMethod, unknown, unknown][] = [
    [
      'keys in any case',
      list,
      { volumes: [{ NAME: 'v', mountPoint: '/m' }] },
      { Volumes: [{ Name: 'v', Mountpoint: '/m' }] },
    ],
    ['an exact key first', get, { volume: null, Volume: { Name: 'v' } }, { Volume: { Name: 'v' } }],
    ['unknown keys', get, { Volume: { Name: 'v', More: 1 }, Other: {} }, { Volume: { Name: 'v' } }],
    ['a list that is null', list, { Volumes: null }, { Volumes: [] }],
    ['a list that is {}', list, { Volumes: {} }, { Volumes: [] }],
    ['no list', list, {}, { Volumes: [] }],
    ['null in a list', list, { Volumes: [null, { Name: 'v' }] }, { Volumes: [{ Name: 'v' }] }],
    ['null for a text', get, { Volume: { Name: null } }, { Volume: {} }],
    ['null options', create, { Name: 'v', Opts: null }, { Name: 'v', Opts: null }],
    ['no options', create, { Name: 'v' }, { Name: 'v', Opts: null }],
    ['empty options', create, { Name: 'v', Opts: {} }, { Name: 'v', Opts: {} }],
    [
      'a key that is a trap',
      create,
      JSON.parse('{"Name":"v","Opts":{"__proto__":"x"}}'),
      JSON.parse('{"Name":"v","Opts":{"__proto__":"x"}}'),
    ],
    [
      'a status of any kind',
      get,
      { Volume: { Name: 'v', Status: ['x'] } },
      { Volume: { Name: 'v', Status: ['x'] } },
    ],
  ];
  for (const [name, method, json, value] of rows)
    t.same(
      readMessage(method.answer === list.answer || method === get ? method.answer : method.request, json),
      { value },
      name,
    );
  const faulty: [string, WireMethod, unknown, readonly string[]][] = [
    ['not an object', get, 'x', ['message: expected object, found string']],
    ['nothing', get, null, ['message: expected object, found null']],
    ['a list of another kind', list, { Volumes: 'x' }, ['Volumes: expected array, found string']],
    ['a map instead of a list', list, { Volumes: { a: {} } }, ['Volumes: expected array, found object']],
    [
      'every fault at once',
      list,
      { Volumes: [{ Name: 1 }, 2] },
      ['Volumes[0].Name: expected string, found number', 'Volumes[1]: expected object, found number'],
    ],
    ['no mountpoint', mount, {}, ['Mountpoint: missing']],
  ];
  for (const [name, method, json, faults] of faulty)
    t.same(readMessage(method.answer, json), { faults }, name);
});

t.test('takes the first JSON value of a text', async (t) => {
  const rows: [string, unknown][] = [
    ['{"a":1}', { a: 1 }],
    ['{"a":"}\\""}}}', { a: '}"' }],
    [' [1,{"b":[]}] x', [1, { b: [] }]],
    ['{}\n{"a":1}', {}],
    ['"x" y', 'x'],
  ];
  for (const [text, value] of rows) t.same(parseFirstJson(text), value, text);
  for (const text of ['', 'x', '{"a":', 'not json', '{a}']) t.throws(() => parseFirstJson(text), text);
});

t.test('a volume', async (t) => {
  const { get, capabilities, mount } = volumeTranslation;
  t.test('does not vanish for a bad CreatedAt', async (t) => {
    for (const CreatedAt of ['yesterday', 7, {}, '2026-13-45T99:00:00Z', '2026-01-02']) {
      t.same(volumeFromWire({ Name: 'v', CreatedAt }), { name: 'v', mountpoint: '' }, String(CreatedAt));
    }
    for (const CreatedAt of ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.123456789+02:00']) {
      t.equal(volumeFromWire({ Name: 'v', CreatedAt }).createdAt, CreatedAt);
    }
  });
  t.test('keeps a status only when it is an object', async (t) => {
    t.same(volumeFromWire({ Name: 'v', Status: { a: [1] } }).status, { a: [1] });
    for (const Status of [null, 'x', [1]]) t.equal(volumeFromWire({ Name: 'v', Status }).status, undefined);
  });
  t.test('is called as it was asked for when the answer has no name', async (t) => {
    t.same(get.answer.fromWire({ Volume: {} } as never, { name: 'v' }), { name: 'v', mountpoint: '' });
    t.same(get.answer.fromWire({ Volume: { Name: 'w' } } as never, { name: 'v' }), {
      name: 'w',
      mountpoint: '',
    });
    t.equal(get.answer.fromWire({ Volume: null } as never, { name: 'v' }), undefined);
    t.equal(get.answer.fromWire({} as never, { name: 'v' }), undefined);
  });
  t.test('reaches as far as the driver says, in any case', async (t) => {
    const scope = (Scope?: string) =>
      capabilities.answer.fromWire({ Capabilities: { Scope } } as never, {}).scope;
    t.same(['global', 'GLOBAL', 'Local', '', 'galaxy', undefined].map(scope), [
      'global',
      'global',
      'local',
      'local',
      'local',
      'local',
    ]);
    t.same(capabilities.answer.fromWire({} as never, {}), { scope: 'local' });
  });
  t.test('is mounted by name and id', async (t) => {
    t.same(mount.request.toWire({ name: 'v', mountId: 'm' }), { Name: 'v', ID: 'm' });
  });
});
