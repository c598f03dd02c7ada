/**
 * From everything that a create request says of mounts (`-v`, `--mount`, `--tmpfs`, `--volumes-from`, the image's
 * VOLUME) to one list: which wins for a target, what is anonymous, what is copied up. Asks no driver.
 */
import path from 'node:path';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { ContainerMount, ContainerRecord } from '../../store/record-types.ts';
import type { HostConfigBody, MountBody } from './request.ts';

/** A mount as asked for; a volume's driver and name are settled when the volume is made. */
export interface PlannedMount extends Omit<ContainerMount, 'volume'> {
  readonly volume?: {
    readonly driver: string;
    readonly options: Readonly<Record<string, string>> | null;
    readonly labels: Readonly<Record<string, string>>;
    readonly subpath?: string;
  };
  readonly imageSubpath?: string;
}

export interface MountSources {
  readonly hostConfig: HostConfigBody;
  /** `Volumes` of the create request and of the image: targets of anonymous volumes. */
  readonly volumes: readonly string[];
  readonly containers: (name: string) => ContainerRecord;
}

export function planMounts({ hostConfig, volumes, containers }: MountSources): readonly PlannedMount[] {
  const plan = new Map<string, PlannedMount>();
  for (const spec of hostConfig.VolumesFrom ?? []) {
    for (const mount of fromContainer(spec, containers)) plan.set(mount.target, mount);
  }
  const explicit = new Set<string>();
  const add = (mount: PlannedMount) => {
    if (explicit.has(mount.target)) throw invalid(`Duplicate mount point: ${mount.target}`);
    explicit.add(mount.target);
    plan.set(mount.target, mount);
  };
  const driver = hostConfig.VolumeDriver ?? '';
  for (const spec of hostConfig.Binds ?? []) add(fromBind(spec, driver));
  for (const body of hostConfig.Mounts ?? []) add(fromMount(body));
  for (const [target, options] of Object.entries(hostConfig.Tmpfs ?? {})) add(fromTmpfs(target, options));
  for (const target of volumes) {
    const at = cleanTarget(target);
    if (!plan.has(at)) plan.set(at, anonymous(at, driver));
  }
  // Parents before children, or a child would be hidden by its parent's mount; else by name, since the docker command
  // sends `-v` in any order.
  return [...plan.values()].sort(
    (a, b) => depth(a.target) - depth(b.target) || (a.target < b.target ? -1 : 1),
  );
}

function anonymous(target: string, driver: string): PlannedMount {
  return {
    type: 'volume',
    source: '',
    target,
    readOnly: false,
    origin: 'image',
    mode: '',
    copyUp: true,
    volume: { driver, options: null, labels: {} },
  };
}

const PROPAGATIONS = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];

/** `[SOURCE:]TARGET[:MODE]`. */
function fromBind(spec: string, driver: string): PlannedMount {
  const parts = spec.split(':');
  if (parts.length > 3 || parts.some((part) => part === ''))
    throw invalid(`invalid volume specification: '${spec}'`);
  const [source, target, mode = ''] = parts.length === 1 ? ['', parts[0] ?? ''] : parts;
  const options = mode === '' ? [] : mode.split(',');
  const propagation = options.find((option) => PROPAGATIONS.includes(option));
  const unknown = options.filter((option) => !isMode(option));
  if (unknown.length > 0) throw invalid(`invalid mode: ${mode}`);
  const common = {
    target: cleanTarget(target ?? ''),
    readOnly: options.includes('ro'),
    origin: 'bind' as const,
    mode,
  };
  if (source?.startsWith('/')) {
    return {
      ...common,
      type: 'bind',
      source: path.posix.normalize(source),
      bind: { createSource: true, ...(propagation && { propagation }) },
    };
  }
  if (propagation) throw invalid(`invalid volume specification: '${spec}': propagation is for bind mounts`);
  return {
    ...common,
    type: 'volume',
    source: source ?? '',
    copyUp: !options.includes('nocopy'),
    volume: { driver, options: null, labels: {} },
  };
}

function isMode(option: string): boolean {
  const plain = ['ro', 'rw', 'z', 'Z', 'nocopy', 'consistent', 'cached', 'delegated'];
  return plain.includes(option) || PROPAGATIONS.includes(option);
}

function fromMount(body: MountBody): PlannedMount {
  const target = cleanTarget(body.Target);
  const common = { target, readOnly: body.ReadOnly ?? false, origin: 'mount' as const, mode: '' };
  const source = body.Source ?? '';
  switch (body.Type) {
    case 'bind': {
      if (!source.startsWith('/')) {
        throw invalid(
          `invalid mount config for type "bind": invalid mount path: '${source}' mount path must be absolute`,
        );
      }
      return { ...common, type: 'bind', source: path.posix.normalize(source), bind: bindOptions(body) };
    }
    case 'volume':
      return { ...common, type: 'volume', source, ...volumeOptions(body) };
    case 'tmpfs':
      if (source !== '')
        throw invalid('invalid mount config for type "tmpfs": field Source must not be specified');
      return { ...common, type: 'tmpfs', tmpfs: tmpfsOptions(body) };
    case 'image': {
      if (source === '')
        throw invalid('invalid mount config for type "image": field Source must not be empty');
      const subpath = body.ImageOptions?.Subpath;
      if (subpath) checkSubpath(subpath);
      return { ...common, type: 'image', source, ...(subpath && { imageSubpath: subpath }) };
    }
    default:
      throw invalid(`mount type unknown: "${body.Type ?? ''}"`);
  }
}

function bindOptions({ BindOptions }: MountBody): NonNullable<PlannedMount['bind']> {
  const propagation = BindOptions?.Propagation;
  if (propagation && !PROPAGATIONS.includes(propagation)) {
    throw invalid(`invalid mount config for type "bind": invalid propagation: "${propagation}"`);
  }
  return {
    ...(propagation && { propagation }),
    ...(BindOptions?.NonRecursive && { nonRecursive: true }),
    ...(BindOptions?.CreateMountpoint && { createSource: true }),
    ...(BindOptions?.ReadOnlyNonRecursive && { readOnlyNonRecursive: true }),
  };
}

function volumeOptions({
  VolumeOptions,
  Source,
  ReadOnly,
}: MountBody): Pick<PlannedMount, 'copyUp' | 'volume'> {
  const subpath = VolumeOptions?.Subpath;
  if (subpath) {
    if (!Source)
      throw invalid(
        'invalid mount config for type "volume": must not set Subpath when using anonymous volumes',
      );
    checkSubpath(subpath);
  }
  if (!Source && ReadOnly) {
    throw invalid(
      'invalid mount config for type "volume": must not set ReadOnly mode when using anonymous volumes',
    );
  }
  return {
    copyUp: !VolumeOptions?.NoCopy,
    volume: {
      driver: VolumeOptions?.DriverConfig?.Name ?? '',
      options: VolumeOptions?.DriverConfig?.Options ?? null,
      labels: VolumeOptions?.Labels ?? {},
      ...(subpath && { subpath }),
    },
  };
}

function tmpfsOptions({ TmpfsOptions }: MountBody): NonNullable<PlannedMount['tmpfs']> {
  return {
    ...(TmpfsOptions?.SizeBytes && { sizeBytes: TmpfsOptions.SizeBytes }),
    ...(TmpfsOptions?.Mode && { mode: TmpfsOptions.Mode }),
    ...(TmpfsOptions?.Options && { options: TmpfsOptions.Options.map((pair) => pair.join('=')) }),
  };
}

/** `--tmpfs /run:size=64k,mode=1777`. */
function fromTmpfs(target: string, text: string): PlannedMount {
  const options = text === '' ? [] : text.split(',');
  return {
    type: 'tmpfs',
    target: cleanTarget(target),
    readOnly: options.includes('ro'),
    origin: 'mount',
    mode: text,
    tmpfs: { options: options.filter((option) => option !== 'ro' && option !== 'rw') },
  };
}

/** `CONTAINER[:ro|rw]`. */
function fromContainer(spec: string, containers: MountSources['containers']): readonly PlannedMount[] {
  const [name = '', mode = ''] = spec.split(':');
  if (!['', 'ro', 'rw', 'z', 'Z'].includes(mode)) throw invalid(`invalid mode: ${mode}`);
  return containers(name)
    .mounts.filter((mount) => mount.type !== 'tmpfs')
    .map(({ volume, ...mount }) => ({
      ...mount,
      readOnly: mode === 'ro' || mount.readOnly,
      origin: 'volumes-from' as const,
      mode,
      copyUp: false,
      ...(volume && {
        volume: {
          driver: volume.driver,
          options: null,
          labels: {},
          ...(volume.subpath && { subpath: volume.subpath }),
        },
      }),
    }));
}

function cleanTarget(target: string): string {
  if (!target.startsWith('/')) {
    throw invalid(`invalid mount config: invalid mount path: '${target}' mount path must be absolute`);
  }
  const clean = path.posix.normalize(target).replace(/(.)\/$/, '$1');
  if (clean === '/') throw invalid(`invalid specification: destination can't be '/'`);
  return clean;
}

/** Escapes that show by name alone are refused before anything is made; links are looked at under the mountpoint. */
function checkSubpath(subpath: string): void {
  const clean = path.posix.normalize(subpath);
  if (clean.startsWith('/') || clean === '..' || clean.startsWith('../')) {
    throw invalid(`invalid mount config: subpath must be a relative path within the volume: '${subpath}'`);
  }
}

function depth(target: string): number {
  return target.split('/').length;
}

function invalid(message: string): HostError {
  return new HostError('InvalidArgument', 'INVALID_MOUNT', message);
}
