/** The image configuration document, as far as Gantry reads it; what it does not know stays in the bytes. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { isDigest } from './digest.ts';

/** Source: OCI image specification, config.md; Docker's fields beside. */
export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  /** RFC 3339. */
  readonly created?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly config?: ContainerDefaults;
  readonly rootfs: { readonly type: 'layers'; readonly diff_ids: readonly string[] };
  readonly history?: readonly {
    readonly created?: string;
    readonly created_by?: string;
    readonly comment?: string;
    readonly empty_layer?: boolean;
  }[];
}

/** What a container made from the image starts with. Docker writes null for an absent list. */
export interface ContainerDefaults {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>> | null;
  readonly Env?: readonly string[] | null;
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Volumes?: Readonly<Record<string, object>> | null;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly StopSignal?: string;
  readonly OnBuild?: readonly string[] | null;
  readonly Shell?: readonly string[] | null;
  readonly Healthcheck?: {
    readonly Test?: readonly string[];
    /** Nanoseconds, as the next three. */
    readonly Interval?: number;
    readonly Timeout?: number;
    readonly StartPeriod?: number;
    readonly StartInterval?: number;
    readonly Retries?: number;
  } | null;
}

/** Errors: InvalidArgument for anything that is not a Linux image's configuration. */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const value = parseJson('image configuration', bytes);
  if (!isObject(value) || !isObject(value.rootfs)) throw badImage('its configuration has no rootfs');
  const diffIds = value.rootfs.diff_ids ?? [];
  if (!Array.isArray(diffIds) || !diffIds.every(isDigest))
    throw badImage('its rootfs.diff_ids are not digests');
  if (value.os !== 'linux') throw badImage(`its os is "${String(value.os)}", expected "linux"`);
  if (typeof value.architecture !== 'string') throw badImage('its configuration has no architecture');
  if (value.config !== undefined && value.config !== null && !isObject(value.config)) {
    throw badImage('the config of its configuration is not an object');
  }
  return { ...value, rootfs: { type: 'layers', diff_ids: diffIds } } as unknown as ImageConfig;
}

/** Of a configuration of any kind: what it says about its platform. */
export function parseConfigPlatform(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  const value = parseJson('image configuration', bytes);
  return isObject(value) ? value : {};
}

export function parseJson(what: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new HostError('InvalidArgument', 'IMAGE_INVALID', `read ${what}: it is not JSON`, { cause });
  }
}

export function badImage(why: string): HostError {
  return new HostError('InvalidArgument', 'IMAGE_INVALID', `read image: ${why}`);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** This machine in the image specification's words. */
export function hostArchitecture(arch: string = process.arch): string {
  return { x64: 'amd64', ia32: '386', arm: 'arm', arm64: 'arm64', ppc64: 'ppc64le' }[arch] ?? arch;
}
