/** The chain of API versions: its steps belong to rows that there are, and change what they are for and nothing else. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { routeTable } from '../../../../core/api/routes/table.ts';
import { compareApi } from '../../../../core/api/version.ts';
import { downgrade, STEPS, upgrade, upgradeQuery } from '../../../../core/api/versions/chain.ts';
import type { Engine } from '../../../../core/engine.ts';

t.test(
  'every file is a step of the chain, newest first, and each step is for rows that there are',
  async (t) => {
    const dir = join(import.meta.dirname, '../../../../core/api/versions');
    const files = readdirSync(dir).filter((name) => /^v[\d.]+\.ts$/.test(name));
    const versions = STEPS.map(({ version }) => version);
    t.same([...versions].sort(), files.map((name) => name.slice(1, -3)).sort());
    t.same(
      versions,
      [...versions].sort((a, b) => compareApi(b, a)),
    );
    const rows = routeTable({} as Engine).map(({ name }) => name);
    for (const { version, up = {}, down = {}, query = {} } of STEPS) {
      const unknown = [up, down, query].flatMap(Object.keys).filter((row) => !rows.includes(row));
      t.same(unknown, [], version);
    }
  },
);

t.test('the newest version is changed in nothing', async (t) => {
  for (const { up = {}, down = {}, query = {} } of STEPS) {
    for (const row of Object.keys(up)) {
      const body = { HostConfig: { AutoRemove: true } };
      t.equal(upgrade(row, '1.55', body), body);
    }
    for (const row of Object.keys(down)) {
      const body = {};
      t.equal(downgrade(row, '1.55', body), body);
    }
    for (const row of Object.keys(query)) {
      const params = new URLSearchParams('platform=x&signal=y&filter=z&condition=w');
      upgradeQuery(row, '1.55', params);
      t.equal(params.toString(), 'platform=x&signal=y&filter=z&condition=w');
    }
  }
});

t.test('bodies of the wrong type reach the handler as they are, for it to refuse', async (t) => {
  const bodies: readonly unknown[] = [
    ...[undefined, null, 'text', 5, true, [], [1, null], { HostConfig: 5 }, { HostConfig: { Mounts: 'x' } }],
    ...[{ HostConfig: { Mounts: [null, 5, { Type: 7 }] } }, { Healthcheck: [] }, { HostConfig: null }],
  ];
  for (const { up = {} } of STEPS) {
    for (const row of Object.keys(up)) {
      for (const body of bodies)
        t.doesNotThrow(() => upgrade(row, '1.24', body), `${row} ${JSON.stringify(body)}`);
    }
  }
  for (const body of [undefined, null, 'text', 5, []])
    t.same(upgrade('container.create', '1.24', body), body);
});

t.test('several steps come after one another', async (t) => {
  const old = {
    Healthcheck: { Test: ['CMD', 'x'], StartInterval: 5 },
    HostConfig: {
      AutoRemove: true,
      Annotations: { a: 'b' },
      ConsoleSize: [1, 2],
      Mounts: [
        {
          Type: 'bind',
          ReadOnly: true,
          BindOptions: { NonRecursive: true, CreateMountpoint: true, Propagation: 'slave' },
          VolumeOptions: {},
        },
      ],
    },
  };
  t.same(upgrade('container.create', '1.24', old), {
    Healthcheck: { Test: ['CMD', 'x'] },
    HostConfig: {
      AutoRemove: false,
      IpcMode: 'shareable',
      Mounts: [
        { Type: 'bind', ReadOnly: true, BindOptions: { Propagation: 'slave', ReadOnlyNonRecursive: true } },
      ],
    },
  });
  const image = { Id: 'sha256:1', Size: 5, Config: { Env: ['A=b'] }, RepoTags: [], Descriptor: {} };
  const shown = downgrade('image.inspect', '1.24', image) as Record<string, unknown>;
  t.match(shown, {
    VirtualSize: 5,
    Container: '',
    Parent: '',
    Config: { Env: ['A=b'], Hostname: '', Volumes: null },
  });
  t.same(shown.ContainerConfig, shown.Config);
  t.notOk('Descriptor' in shown);
  t.match(downgrade('image.list', '1.42', [{ Size: 1, RepoTags: [], RepoDigests: [] }]), [
    { RepoTags: ['<none>:<none>'], RepoDigests: ['<none>@<none>'], VirtualSize: 1, Containers: -1 },
  ]);
});

t.test('parameters', async (t) => {
  const rows: readonly (readonly [row: string, version: string, before: string, after: string])[] = [
    ['container.stop', '1.41', 't=5&signal=HUP', 't=5'],
    ['container.stop', '1.42', 't=5&signal=HUP', 't=5&signal=HUP'],
    ['container.wait', '1.29', 'condition=removed', ''],
    ['image.list', '1.40', 'filter=x', 'filters={"reference":["x"]}'],
    [
      'image.list',
      '1.40',
      'filter=x&filters={"reference":{"y":true},"dangling":["1"]}',
      'filters={"reference":["y","x"],"dangling":["1"]}',
    ],
    ['image.list', '1.40', 'filter=x&filters=nonsense', 'filters=nonsense'],
    ['volume.prune', '1.41', '', 'filters={"all":["true"]}'],
    ['volume.prune', '1.41', 'filters={"label":["a"]}', 'filters={"label":["a"],"all":["true"]}'],
    ['volume.prune', '1.41', 'filters=nonsense', 'filters=nonsense'],
    ['volume.prune', '1.42', '', ''],
  ];
  for (const [row, version, before, after] of rows) {
    const params = new URLSearchParams(before);
    upgradeQuery(row, version, params);
    t.equal(decodeURIComponent(params.toString()), after, `${version} ${row} ${before}`);
  }
});
