/** What a container says about its log: a driver, and options, of which each driver knows some and the host the rest. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { invalidOption, sizeOf, truthOf } from '@gantry/plugin-sdk/logs/options.ts';
import type { ContainerRecord } from '../../store/record-types.ts';

export interface LogConfig {
  readonly Type: string;
  readonly Config: Readonly<Record<string, string>>;
}

export const DEFAULT_LOG_CONFIG: LogConfig = { Type: 'json-file', Config: {} };

/** Of all drivers. Non-blocking or not, the container never waits for a log driver: conmon writes to a file. */
const COMMON_OPTIONS = ['mode', 'max-buffer-size'];
const BUFFER_BYTES = 1024 * 1024;
/** Docker's limits of the copy that it keeps for `docker logs`. */
const CACHE_BYTES = 20 * 1024 * 1024;
const CACHE_FILES = 5;
/** Of a driver that keeps the log itself: nothing is kept twice. */
export const NO_CACHE = { keptBytes: 0, segmentBytes: 16 * 1024 * 1024 };

/** The container's wish over the daemon's default. The driver checks its own options when the container is created. */
export function mergeLogConfig(
  wanted:
    | { readonly Type?: string; readonly Config?: Readonly<Record<string, string>> | null }
    | null
    | undefined,
  defaults: LogConfig,
): LogConfig {
  const Type = wanted?.Type || defaults.Type;
  const inherited = Type === defaults.Type ? defaults.Config : {};
  const merged = { Type, Config: { ...inherited, ...wanted?.Config } };
  if (Type !== 'none') checkCommon(merged.Config);
  return merged;
}

export function logConfigOf({ hostConfig }: Pick<ContainerRecord, 'hostConfig'>): LogConfig {
  const { Type, Config } = (hostConfig.LogConfig ?? DEFAULT_LOG_CONFIG) as Partial<LogConfig>;
  // Records from before there were log drivers hold what the client sent: mostly an empty name.
  return Type ? { Type, Config: Config ?? {} } : DEFAULT_LOG_CONFIG;
}

/** False for `none`: nothing is written, and nothing can be read. */
export function isLogKept(record: ContainerRecord): boolean {
  return logConfigOf(record).Type !== 'none';
}

/** What is left of the options for the driver to know. */
export function driverOptions({ Config }: LogConfig): LogConfig['Config'] {
  return Object.fromEntries(Object.entries(Config).filter(([name]) => !COMMON_OPTIONS.includes(name)));
}

/** How far the driver may stay behind, in bytes, before lines are given up; undefined when none may be. */
export function allowedLag({ Config }: LogConfig): number | undefined {
  if (Config.mode !== 'non-blocking') return undefined;
  const size = Config['max-buffer-size'];
  return size === undefined ? BUFFER_BYTES : sizeOf(size, 1024);
}

/** Whether a copy is kept for `docker logs` when the driver is a plugin. */
export function isCached({ Config }: Pick<LogConfig, 'Config'>): boolean {
  const disabled = Config['cache-disabled'];
  return disabled === undefined || !truthOf('cache-disabled', disabled);
}

/** What is kept of a journal for `docker logs` when the driver is a plugin, and how long its segments are, in bytes. */
export function cacheLimits({ Config }: Pick<LogConfig, 'Config'>): {
  readonly keptBytes: number;
  readonly segmentBytes: number;
} {
  const { 'cache-max-size': size, 'cache-max-file': files } = Config;
  if (!isCached({ Config })) return NO_CACHE;
  const segmentBytes = size === undefined ? CACHE_BYTES : sizeOf(size, 1000);
  const maxFiles = files === undefined ? CACHE_FILES : Number(files);
  if (!(segmentBytes > 0)) throw invalidOption('cache-max-size must be a positive number');
  if (!Number.isInteger(maxFiles) || maxFiles < 1)
    throw invalidOption('cache-max-file cannot be less than 1');
  return { keptBytes: segmentBytes * (maxFiles - 1), segmentBytes };
}

function checkCommon(config: LogConfig['Config']): void {
  const { mode = '', 'max-buffer-size': buffer } = config;
  if (!['', 'blocking', 'non-blocking'].includes(mode)) {
    throw invalidOption(`logger: logging mode not supported: ${mode}`);
  }
  if (buffer !== undefined) {
    if (mode !== 'non-blocking') {
      throw invalidOption("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    }
    sizeOf(buffer, 1024);
  }
  cacheLimits({ Config: config });
}

export function unknownLogDriver(name: string): HostError {
  const message = `logger: no log driver named '${name}' is registered`;
  const hint = 'see the log drivers of docker info; a plugin is known by the name of its socket';
  return new HostError('InvalidArgument', 'UNKNOWN_LOG_DRIVER', message, { hint });
}
