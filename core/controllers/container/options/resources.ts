/** Everything that cgroups limit: what `docker run` sets and `docker update` changes. */
import type { OciResources } from '@gantry/plugin-sdk/contracts/runtime.ts';
import Type, { type Static } from 'typebox';
import { BLOCK_IO_FIELDS, blockIoResources, settleBlockIo } from './block-io.ts';
import { CPU_FIELDS, cpuResources, settleCpu } from './cpu.ts';
import { nullable, type Settling } from './fields.ts';
import { hostSupport } from './host-support.ts';
import { MEMORY_FIELDS, memoryResources, settleMemory } from './memory.ts';

export const RESOURCE_FIELDS = {
  ...MEMORY_FIELDS,
  ...CPU_FIELDS,
  ...BLOCK_IO_FIELDS,
  PidsLimit: nullable(Type.Integer()),
};
const Fields = Type.Object(RESOURCE_FIELDS);
export type ResourceOptions = Static<typeof Fields>;

/** Errors: InvalidArgument, in Docker's words. */
export function settleResources(
  given: ResourceOptions,
  settling: Settling & { readonly update: boolean },
): ResourceOptions {
  const support = hostSupport();
  return {
    ...settleMemory(given, support, settling),
    PidsLimit: settlePids(given, settling),
    ...settleCpu(pick(given, CPU_FIELDS), support, settling),
    ...settleBlockIo(pick(given, BLOCK_IO_FIELDS), support, settling),
  };
}

/** Both 0 and -1 mean that there is no limit; an update says -1, since null changes nothing. */
function settlePids(
  { PidsLimit: given }: ResourceOptions,
  { warnings, update }: Settling & { readonly update: boolean },
): number | null {
  if (given === undefined || given === null) return null;
  if (!hostSupport().pidsLimit) {
    if (given > 0) {
      warnings.push(
        'Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.',
      );
    }
    return null;
  }
  if (given > 0) return given;
  return update ? -1 : null;
}

/**
 * The OCI `resources` section, less devices. An `update` also says that there is no limit of processes any more. Errors: InvalidArgument for a block device
 * that is not there.
 */
export async function ociResources(options: ResourceOptions, { update = false } = {}): Promise<OciResources> {
  const { PidsLimit } = options;
  const [memory, cpu, blockIO] = [
    memoryResources(options),
    cpuResources(options),
    await blockIoResources(options),
  ];
  return {
    ...(memory && { memory }),
    ...(cpu && { cpu }),
    ...(blockIO && { blockIO }),
    ...(PidsLimit && (PidsLimit > 0 || update) && { pids: { limit: PidsLimit } }),
  };
}

function pick<T extends object>(from: ResourceOptions, fields: T): Partial<ResourceOptions> {
  return Object.fromEntries(Object.entries(from).filter(([name]) => name in fields));
}
