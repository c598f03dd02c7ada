/**
 * What of each operation's parameters Gantry takes: the names that its row reads, and the schema of its body. A test holds
 * both to the sources and to what Docker publishes, so that nobody adds, drops or forgets one unnoticed.
 */
import type { TSchema } from 'typebox';
import { LoginSchema } from '../../core/api/routes/registries.ts';
import { CreateVolumeSchema } from '../../core/api/routes/volumes.ts';
import { CommitSchema } from '../../core/controllers/container/commit.ts';
import { ExecSchema, ExecStartSchema } from '../../core/controllers/container/exec-request.ts';
import { CreateSchema } from '../../core/controllers/container/request.ts';
import { ABSENT } from '../../core/controllers/container/unsupported.ts';
import { UpdateSchema } from '../../core/controllers/container/update.ts';

export interface Taken {
  readonly query?: readonly string[];
  readonly body?: TSchema;
}

/** By name of the row. Of Docker's parameters, what stands here is taken; what does not is in LEFT_OUT, with the reason. */
export const TAKEN: Readonly<Record<string, Taken>> = {
  'container.list': { query: ['all', 'limit', 'size', 'filters'] },
  'container.create': { query: ['name', 'platform'], body: CreateSchema },
  'container.inspect': { query: ['size'] },
  'container.stop': { query: ['t', 'signal'] },
  'container.restart': { query: ['t', 'signal'] },
  'container.kill': { query: ['signal'] },
  'container.rename': { query: ['name'] },
  'container.update': { body: UpdateSchema },
  'container.prune': { query: ['filters'] },
  'container.remove': { query: ['force', 'v', 'link'] },
  'container.resize': { query: ['h', 'w'] },
  'container.wait': { query: ['condition'] },
  'container.attach': { query: ['detachKeys', 'stream', 'logs', 'stdin', 'stdout', 'stderr'] },
  'container.attachWebsocket': { query: ['detachKeys', 'stream', 'logs', 'stdin', 'stdout', 'stderr'] },
  'container.top': { query: ['ps_args'] },
  'container.stats': { query: ['stream', 'one-shot'] },
  'container.logs': {
    query: ['stdout', 'stderr', 'follow', 'timestamps', 'details', 'tail', 'since', 'until'],
  },
  'container.archive-stat': { query: ['path'] },
  'container.archive-read': { query: ['path'] },
  'container.archive-write': { query: ['path', 'noOverwriteDirNonDir', 'copyUIDGID'] },
  'container.commit': {
    query: ['container', 'repo', 'tag', 'comment', 'author', 'pause', 'changes'],
    body: CommitSchema,
  },
  'system.df': { query: ['type', 'verbose'] },
  'exec.create': { body: ExecSchema },
  'exec.start': { body: ExecStartSchema },
  'exec.resize': { query: ['h', 'w'] },
  'image.list': { query: ['all', 'filters', 'shared-size'] },
  'image.create': { query: ['fromImage', 'fromSrc', 'repo', 'tag', 'changes', 'message', 'platform'] },
  'image.load': { query: ['quiet', 'platform'] },
  'image.push': { query: ['tag'] },
  'image.save': { query: ['names'] },
  'image.tag': { query: ['repo', 'tag'] },
  'image.search': { query: ['term', 'limit', 'filters'] },
  'image.prune': { query: ['filters'] },
  'image.remove': { query: ['force', 'noprune'] },
  'registry.login': { body: LoginSchema },
  'volume.list': { query: ['filters'] },
  'volume.create': { body: CreateVolumeSchema },
  'volume.prune': { query: ['filters'] },
  'volume.remove': { query: ['force'] },
  'network.list': { query: ['filters'] },
  'network.prune': { query: ['filters'] },
  'system.events': { query: ['since', 'until', 'filters'] },
  'gantry.why': { query: ['object'] },
  'gantry.driver.logs': { query: ['tail', 'since', 'follow'] },
};

/** Fields of a request, by a pattern, and why they are passed over or refused. */
export const LEFT_OUT: readonly (readonly [row: string, name: RegExp, why: string])[] = [
  ['container.create', /^HostConfig\.Cgroup$/, 'no engine has ever used it'],
  ['container.create', /^(ArgsEscaped|OnBuild)$/, 'of builds and of Windows; kept and shown'],
  ['container.create', /^(ExposedPorts|Shell)/, 'kept and shown: nothing asks for them yet'],
  [
    'container.create',
    /^(NetworkDisabled|NetworkingConfig)/,
    'there are no other networks than none and host yet',
  ],
  ['container.start', /^detachKeys$/, 'the client that is attached names its own'],
  [
    'container.update',
    /^(Devices|DeviceCgroupRules|DeviceRequests|Ulimits|Init|CgroupParent)/,
    'nor does Docker change them',
  ],
  ['image.list', /^digests$/, 'they are always shown'],
  ['image.list', /^(manifests|identity)$/, 'an image has one platform'],
  ['image.push', /^platform$/, 'an image has one platform'],
  ['image.save', /^platform$/, 'an image has one platform'],
  [
    'container.commit',
    /^(Hostname|Domainname|Attach.*|Tty|OpenStdin|StdinOnce|Image|NetworkDisabled|StopTimeout|ArgsEscaped)$/,
    'of a container, not of its image',
  ],
  ['container.commit', /^Healthcheck/, "the container's own is kept"],
  ['image.inspect', /^(manifests|platform)$/, 'an image has one platform'],
  ['image.history', /^platform$/, 'an image has one platform'],
  ['image.remove', /^platforms$/, 'an image has one platform'],
  ['build.prune', /./, 'there is no build cache'],
  ['network.inspect', /^(verbose|scope)$/, 'of swarm'],
  ['volume.create', /^ClusterVolumeSpec\./, 'there are no cluster volumes'],
];

/** Dotted names of a schema's fields, as deep as the published ones go. */
export function fieldsOf(schema: unknown, prefix = '', depth = 1): readonly string[] {
  const {
    properties = {},
    anyOf = [],
    items,
  } = schema as {
    properties?: Record<string, unknown>;
    anyOf?: unknown[];
    items?: unknown;
  };
  const own = Object.entries(properties).flatMap(([name, value]) => [
    prefix + name,
    ...(depth < 3 ? fieldsOf(value, `${prefix}${name}.`, depth + 1) : []),
  ]);
  const others = [...anyOf, ...(items ? [items] : [])].flatMap((one) => fieldsOf(one, prefix, depth));
  return [...new Set([...own, ...others])];
}

/** How each published parameter of a row stands: `why` is '' where it is taken, undefined where nobody has thought of it. */
export function statesOf(
  row: string,
  published: { readonly query: readonly string[]; readonly body: readonly string[] },
): readonly { readonly name: string; readonly why: string | undefined }[] {
  const { query = [], body } = TAKEN[row] ?? {};
  const fields = body ? fieldsOf(body) : [];
  const refused = (name: string) => ABSENT[name.replace('HostConfig.', '')];
  return [
    ...published.query.map((name) => ({ name, why: query.includes(name) ? '' : whyNot(row, name) })),
    ...published.body.map((name) => {
      const words = row === 'container.create' ? refused(name) : undefined;
      if (words !== undefined) return { name, why: `${words} answer 501` };
      return { name, why: fields.includes(name) ? '' : whyNot(row, name) };
    }),
  ];
}

function whyNot(row: string, name: string): string | undefined {
  return LEFT_OUT.find(([of, pattern]) => of === row && pattern.test(name))?.[2];
}
