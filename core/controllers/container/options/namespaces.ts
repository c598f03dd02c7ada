/** `--ipc`, `--pid`, `--uts`, `--userns`, `--cgroupns`: whose namespaces a container lives in. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { OciNamespace } from '@gantry/plugin-sdk/oci/default-spec.ts';
import Type, { type Static } from 'typebox';
import type { ContainerRecord } from '../../../store/record-types.ts';
import { invalidOption, text } from './fields.ts';
import { hostSupport } from './host-support.ts';

export const NAMESPACE_FIELDS = {
  NetworkMode: text,
  IpcMode: text,
  PidMode: text,
  UTSMode: text,
  UsernsMode: text,
  CgroupnsMode: text,
};
const Fields = Type.Object({ ...NAMESPACE_FIELDS, Privileged: Type.Optional(Type.Boolean()) });
export type NamespaceOptions = Static<typeof Fields>;

const JOINS = 'container:';

/** Mode → what a user may say, beside `container:NAME` for the first two. */
const MODES = {
  IpcMode: ['', 'none', 'private', 'shareable', 'host'],
  PidMode: ['', 'host'],
  UTSMode: ['', 'host'],
  UsernsMode: ['', 'host'],
  CgroupnsMode: ['', 'private', 'host'],
} as const;
const NAMES = {
  IpcMode: 'IPC mode',
  PidMode: 'PID mode',
  UTSMode: 'UTS mode',
  UsernsMode: 'userns mode',
  CgroupnsMode: 'cgroup namespace mode',
} as const;

export interface NamespaceDefaults {
  readonly ipcMode?: string;
  readonly cgroupnsMode?: string;
}

/**
 * Every mode as it will be, with a container's name replaced by its id, so that it may be renamed.
 * Errors: InvalidArgument for a mode that does not exist.
 */
export function settleNamespaces(
  given: NamespaceOptions,
  find: (name: string) => ContainerRecord | undefined,
  defaults: NamespaceDefaults = {},
): NamespaceOptions {
  for (const field of Object.keys(MODES) as (keyof typeof MODES)[]) {
    const mode = given[field] ?? '';
    const joins = (field === 'IpcMode' || field === 'PidMode') && joinedContainer(mode) !== undefined;
    if (!joins && !(MODES[field] as readonly string[]).includes(mode))
      throw invalidOption(`invalid ${NAMES[field]}: ${mode}`);
  }
  const byId = (mode = '') => {
    const name = joinedContainer(mode);
    return name === undefined ? mode : `${JOINS}${find(name)?.id ?? name}`;
  };
  return {
    IpcMode: byId(given.IpcMode || defaults.ipcMode || 'private'),
    PidMode: byId(given.PidMode),
    UTSMode: given.UTSMode ?? '',
    UsernsMode: given.UsernsMode ?? '',
    CgroupnsMode: given.CgroupnsMode || defaultCgroupns(given, defaults),
  };
}

/** Version 1 has none by default: programs of that time look for their cgroup at the path that the host sees. */
function defaultCgroupns({ Privileged }: NamespaceOptions, { cgroupnsMode }: NamespaceDefaults): string {
  const { unified } = hostSupport();
  if (Privileged && !unified) return 'host';
  return cgroupnsMode || (unified ? 'private' : 'host');
}

/** `container:NAME` → NAME, which is not empty. */
export function joinedContainer(mode: unknown): string | undefined {
  if (typeof mode !== 'string' || !mode.startsWith(JOINS)) return undefined;
  return mode.slice(JOINS.length) || undefined;
}

/** Ids of the containers whose namespaces it lives in. */
export function joinedIds({ IpcMode, PidMode }: NamespaceOptions): readonly string[] {
  const ids = [IpcMode, PidMode].map(joinedContainer).filter((id) => id !== undefined);
  return [...new Set(ids)];
}

/**
 * The OCI `namespaces`. `join` finds a container by its id. Errors: Conflict for one that does not run or does not share,
 * NotFound.
 */
export function namespacesOf(
  options: NamespaceOptions,
  join: (id: string) => ContainerRecord,
): readonly OciNamespace[] {
  const { IpcMode = '', PidMode = '', UTSMode, CgroupnsMode, NetworkMode } = options;
  const of = (type: OciNamespace['type'], mode: string | undefined): readonly OciNamespace[] =>
    mode === 'host' ? [] : [{ type }];
  const joined = (type: 'ipc' | 'pid', mode: string): readonly OciNamespace[] => {
    const id = joinedContainer(mode);
    if (id === undefined) return of(type, mode);
    return [{ type, path: `/proc/${donorOf(type, join(id)).state.pid}/ns/${type}` }];
  };
  return [
    { type: 'mount' },
    ...of('network', NetworkMode),
    ...of('uts', UTSMode),
    ...joined('pid', PidMode),
    ...joined('ipc', IpcMode),
    ...(CgroupnsMode === 'private' ? [{ type: 'cgroup' } as const] : []),
  ];
}

function donorOf(type: 'ipc' | 'pid', donor: ContainerRecord): ContainerRecord {
  const what = type.toUpperCase();
  if (donor.state.status !== 'running') {
    const message = `cannot join ${what} of a non running container: ${donor.id}`;
    throw new HostError('Conflict', 'CANNOT_JOIN', message);
  }
  if (type === 'ipc' && donor.hostConfig.IpcMode !== 'shareable') {
    throw new HostError(
      'Conflict',
      'CANNOT_JOIN',
      `can't join IPC of container ${donor.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
    );
  }
  return donor;
}
