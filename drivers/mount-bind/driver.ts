/** A host path seen in the container. */
import type { Stats } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import type { MountDriver, MountRequest, ResolvedMount } from '@gantry/plugin-sdk/contracts/mount.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { type MountEntry, mounts } from '@gantry/plugin-sdk/system/mount.ts';

const DEFAULT_PROPAGATION = 'rprivate';

export const bindDriver: MountDriver = {
  async resolve(request) {
    const { source = '', target, readOnly, bind = {} } = request;
    const present = await look(source);
    if (!present && !bind.createSource) throw absent(source);
    if (present) await checkPropagation(source, bind.propagation);
    return {
      mount: {
        destination: target,
        type: 'bind',
        source,
        options: [
          bind.nonRecursive ? 'bind' : 'rbind',
          ...(readOnly ? readOnlyOptions(request, present) : []),
          propagationOption(request),
        ],
      },
      effects: present ? [] : [{ kind: 'host-directory', path: source }],
    } satisfies ResolvedMount;
  },
};

/**
 * Read-only goes down to the mounts below, unless asked otherwise; runtimes that cannot, ignore `rro`. A file has nothing
 * below it, and crun takes whatever has `rro` for a directory.
 */
function readOnlyOptions({ bind }: MountRequest, source: Stats | undefined): readonly string[] {
  const alone = bind?.nonRecursive || bind?.readOnlyNonRecursive || source?.isDirectory() === false;
  return alone ? ['ro'] : ['ro', 'rro'];
}

/** crun binds recursively for the `r` of `rprivate` alone. */
function propagationOption({ bind }: MountRequest): string {
  const propagation = bind?.propagation || DEFAULT_PROPAGATION;
  return bind?.nonRecursive ? propagation.replace(/^r/, '') : propagation;
}

/** A mount that is private where it comes from cannot take part in anything: Docker refuses it too. */
async function checkPropagation(source: string, propagation = DEFAULT_PROPAGATION): Promise<void> {
  if (propagation.endsWith('private')) return;
  const from = mountHolding(await realpath(source));
  const wanted = propagation.endsWith('slave') ? ['shared', 'slave'] : ['shared'];
  if (from === undefined || wanted.includes(from.propagation)) return;
  throw new HostError(
    'FailedPrecondition',
    'BIND_SOURCE_NOT_SHARED',
    `path ${source} is mounted on ${from.target} but it is not a ${wanted.join(' or ')} mount`,
    { hint: `make it one: mount --make-shared ${from.target}` },
  );
}

function mountHolding(path: string): MountEntry | undefined {
  const below = (target: string) => target === '/' || path === target || path.startsWith(`${target}/`);
  return mounts()
    .filter(({ target }) => below(target))
    .reduce<MountEntry | undefined>((a, b) => (a && a.target.length > b.target.length ? a : b), undefined);
}

async function look(source: string): Promise<Stats | undefined> {
  try {
    return await stat(source);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new HostError('InvalidArgument', 'INVALID_MOUNT', `bind ${source}`, { cause: error });
  }
}

function absent(source: string): HostError {
  return new HostError(
    'InvalidArgument',
    'BIND_SOURCE_ABSENT',
    `invalid mount config for type "bind": bind source path does not exist: ${source}`,
    { hint: 'make it first, or use -v, which makes a missing directory' },
  );
}
