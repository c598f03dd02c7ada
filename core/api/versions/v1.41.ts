/** Up to 1.41: terminals have no size of their own at the start, and kernel memory is shown. */
import {
  eachMount,
  filtersOf,
  ignoring,
  inOrder,
  object,
  type Shape,
  type VersionStep,
  within,
  without,
} from './step.ts';

const OPTIONS_OF: Readonly<Record<string, string>> = {
  BindOptions: 'bind',
  VolumeOptions: 'volume',
  TmpfsOptions: 'tmpfs',
};

/** Options of another sort of mount were passed over. */
function ofItsSort(mount: Shape): Shape {
  const foreign = Object.keys(OPTIONS_OF).filter((field) => OPTIONS_OF[field] !== mount.Type);
  return within('BindOptions', without('CreateMountpoint'))(without(...foreign)(mount));
}

/** There was no `all`, and named volumes went too. */
function allVolumes(params: URLSearchParams): void {
  const filters = filtersOf(params);
  if (filters && !('all' in filters)) params.set('filters', JSON.stringify({ ...filters, all: ['true'] }));
}

export const v1_41: VersionStep = {
  version: '1.41',
  query: {
    'container.stop': ignoring('signal'),
    'container.restart': ignoring('signal'),
    'image.list': ignoring('shared-size'),
    'system.df': ignoring('type'),
    'volume.prune': allVolumes,
  },
  up: {
    'container.create': object(inOrder(within('HostConfig', without('ConsoleSize')), eachMount(ofItsSort))),
    'exec.create': object(without('ConsoleSize')),
    // Clients named a size, and meant nothing by it.
    'exec.start': object(without('ConsoleSize')),
  },
  down: {
    'container.inspect': object(
      within('HostConfig', (hostConfig) => ({ KernelMemory: 0, KernelMemoryTCP: 0, ...hostConfig })),
    ),
    'system.info': object((info) => ({ ...info, KernelMemory: false, KernelMemoryTCP: false })),
  },
};
