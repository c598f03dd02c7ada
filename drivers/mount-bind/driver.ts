/** A host path seen in the container. */
import { stat } from 'node:fs/promises';
import type { MountDriver, MountRequest, ResolvedMount } from '@gantry/plugin-sdk/contracts/mount.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';

const DEFAULT_PROPAGATION = 'rprivate';

export const bindDriver: MountDriver = {
  async resolve(request) {
    const { source = '', target, readOnly, bind = {} } = request;
    const present = await exists(source);
    if (!present && !bind.createSource) throw absent(source);
    return {
      mount: {
        destination: target,
        type: 'bind',
        source,
        options: [
          bind.nonRecursive ? 'bind' : 'rbind',
          ...(readOnly ? readOnlyOptions(request) : []),
          bind.propagation ?? DEFAULT_PROPAGATION,
        ],
      },
      effects: present ? [] : [{ kind: 'host-directory', path: source }],
    } satisfies ResolvedMount;
  },
};

/** Read-only goes down to the mounts below, unless asked otherwise; runtimes that cannot, ignore `rro`. */
function readOnlyOptions({ bind }: MountRequest): readonly string[] {
  return bind?.nonRecursive || bind?.readOnlyNonRecursive ? ['ro'] : ['ro', 'rro'];
}

async function exists(source: string): Promise<boolean> {
  try {
    await stat(source);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
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
