/** Requests that nobody should send, made by fast-check over the published operations. */
import fc from 'fast-check';

/** What the client does with its connection. */
export type Manner = 'polite' | 'leaves-half-way' | 'leaves-at-first-byte' | 'never-reads' | 'upgrades';

export interface Hostile {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer | undefined;
  readonly manner: Manner;
}

/** Names that stand in a path: of things that are there, that are not, and that could not be. */
const NAMES = [
  ...['box', 'busybox', 'busybox:latest', 'there', 'nosuch', 'a', ''],
  ...['..', '../../etc', '%2e%2e%2f', '%00', '%zz', '%ff', '*', ':id', 'x'.repeat(5_000), 'ü', '\u202e'],
  ...[
    `sha256:${'0'.repeat(64)}`,
    `busybox@sha256:${'f'.repeat(64)}`,
    'a/b/c/d:e',
    ' ',
    '__proto__',
    'constructor',
  ],
];

const PARAMETERS = [
  ...[
    'all',
    'limit',
    'size',
    'filters',
    't',
    'signal',
    'stdin',
    'stdout',
    'stderr',
    'stream',
    'logs',
    'follow',
  ],
  ...[
    'since',
    'until',
    'tail',
    'timestamps',
    'details',
    'condition',
    'h',
    'w',
    'force',
    'v',
    'link',
    'name',
    'q',
  ],
  ...['fromSrc', 'repo', 'tag', 'platform', 'noprune', 'path', 'noOverwriteDirNonDir', 'copyUIDGID'],
  ...[
    'one-shot',
    'verbose',
    'changes',
    'container',
    'comment',
    'author',
    'pause',
    'type',
    'ps_args',
    'detachKeys',
  ],
  ...[
    '__proto__',
    'toString',
    'names',
    'quiet',
    'digests',
    'manifests',
    'shared-size',
    'dangling',
    'version',
  ],
];

const VALUES = [
  ...[
    '',
    '0',
    '1',
    '-1',
    'true',
    'maybe',
    'NaN',
    '1e99',
    '-0',
    '0x10',
    '9'.repeat(40),
    '1.5',
    '18446744073709551616',
  ],
  ...[
    '{',
    '{}',
    '[]',
    'null',
    '{"label":["a"]}',
    '{"label":{"a":true}}',
    '{"status":[1]}',
    '{"__proto__":["x"]}',
  ],
  ...[
    '{"name":["("]}',
    '{"name":["(a+)+$"]}',
    '{"until":["x"]}',
    '{"id":[""]}',
    '{"before":["nosuch"]}',
    'x'.repeat(9_000),
  ],
  ...[
    '/',
    '/etc/passwd',
    '../..',
    '\0',
    '\r\nX: y',
    'SIGNOSUCH',
    '99',
    'ctrl-',
    'ctrl-p,ctrl-q',
    'linux/nosuch',
    '2026-02-30',
  ],
  ...[
    '-o pid,args',
    '; reboot',
    'next-exit',
    'removed',
    '1700000000.999999999999',
    '1700000000.x',
    'busybox',
  ],
];

/** Fields of bodies, at any depth. Binds are left out: a lucky one would make directories on the host. */
const FIELDS = [
  ...[
    'Image',
    'Cmd',
    'Entrypoint',
    'Env',
    'Labels',
    'User',
    'WorkingDir',
    'Tty',
    'OpenStdin',
    'StopSignal',
    'Volumes',
  ],
  ...[
    'HostConfig',
    'NetworkMode',
    'Memory',
    'NanoCpus',
    'RestartPolicy',
    'Name',
    'MaximumRetryCount',
    'LogConfig',
    'Type',
  ],
  ...[
    'Config',
    'Tmpfs',
    'Ulimits',
    'CapAdd',
    'SecurityOpt',
    'PidMode',
    'IpcMode',
    'ShmSize',
    'Healthcheck',
    'Test',
  ],
  ...[
    'Interval',
    'Driver',
    'DriverOpts',
    'Detach',
    'AttachStdout',
    'ExposedPorts',
    'Sysctls',
    'Devices',
    '__proto__',
  ],
  ...[
    'DetachKeys',
    'ConsoleSize',
    'NetworkingConfig',
    'EndpointsConfig',
    'Annotations',
    'OomScoreAdj',
    'Container',
  ],
];

const json: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<unknown>(
      null,
      true,
      false,
      0,
      -1,
      1.5,
      1e308,
      '',
      'busybox',
      'none',
      ['true'],
      ['sleep', '1'],
      {},
    ),
    fc.string({ maxLength: 12, unit: 'binary' }),
    fc.integer(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...FIELDS), tie('value'), { maxKeys: 6 }),
  ),
})).value;

/** A body that is nearly right. */
const nearlyRight = fc
  .tuple(fc.dictionary(fc.constantFrom(...FIELDS), json, { maxKeys: 3 }), fc.boolean())
  .map(([odd, host]) => ({
    ...{
      Image: 'busybox',
      Cmd: ['true'],
      Name: 'fresh',
      HostConfig: { NetworkMode: 'none', ...(host && odd) },
    },
    ...(!host && odd),
  }));

const body: fc.Arbitrary<Buffer | undefined> = fc.oneof(
  fc.constant(undefined),
  json.map((value) => Buffer.from(JSON.stringify(value) ?? '')),
  nearlyRight.map((value) => Buffer.from(JSON.stringify(value))),
  nearlyRight.map((value) => Buffer.from(JSON.stringify(value)).subarray(0, 40)),
  fc.uint8Array({ maxLength: 2_000 }).map((bytes) => Buffer.from(bytes)),
  // The first bytes of gzip, zstd and xz, and of a tar that goes on for ever.
  fc
    .constantFrom('1f8b0800', '28b52ffd', 'fd377a585a00', Buffer.from('x\0'.padEnd(512, '7')).toString('hex'))
    .map((hex) => Buffer.from(hex.repeat(3), 'hex')),
);

const type = fc.constantFrom(
  ...[
    'application/json',
    'application/json',
    'application/json',
    'application/x-tar',
    'text/plain',
    '',
    'a/b;c=\t',
  ],
);

const manner: fc.Arbitrary<Manner> = fc.constantFrom(
  ...([
    'polite',
    'polite',
    'polite',
    'leaves-half-way',
    'leaves-at-first-byte',
    'never-reads',
    'upgrades',
  ] as const),
);

const version = fc.constantFrom(
  '',
  '',
  '/v1.55',
  '/v1.41',
  '/v1.24',
  '/v1.2',
  '/v9.9',
  '/v1.41/v1.41',
  '/vx',
);

/** `operations`: `METHOD /path/{parameter}`. */
export function hostileRequests(operations: readonly string[]): fc.Arbitrary<Hostile> {
  const query = fc.array(fc.tuple(fc.constantFrom(...PARAMETERS), fc.constantFrom(...VALUES)), {
    maxLength: 5,
  });
  return fc
    .record({
      operation: fc.constantFrom(...operations),
      otherMethod: fc.option(fc.constantFrom('PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD'), { freq: 12 }),
      version,
      names: fc.array(fc.constantFrom(...NAMES), { minLength: 2, maxLength: 2 }),
      query,
      type,
      body,
      manner,
    })
    .map(({ operation, otherMethod, version, names, query, type, body, manner }) => {
      const [method = '', template = ''] = operation.split(' ');
      let at = 0;
      const path = template.replace(/\{\w+\}/g, () => names[at++] ?? '');
      const words = query.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
      return {
        method: otherMethod ?? method,
        // Of what cannot stand in a request line only the bytes above 127 go out as they are.
        path: `${version}${path}${words && `?${words}`}`.replaceAll(' ', '%20'),
        headers: type === '' ? {} : { 'Content-Type': type.trim() },
        body,
        manner,
      };
    });
}
