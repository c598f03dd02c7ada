/** What a container says about its log, as Docker checks it: a driver, and options of which each driver knows some. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { ContainerRecord } from '../../store/record-types.ts';

export interface LogConfig {
  readonly Type: string;
  readonly Config: Readonly<Record<string, string>>;
}

export interface LogLimits {
  /** Size beyond which another file is begun; undefined for no limit. */
  readonly maxBytes: number | undefined;
  /** How many files there are at most, with the one that is written to. */
  readonly maxFiles: number;
}

interface LogDriver extends LogLimits {
  readonly unknownOption: (name: string) => string;
}

const DRIVERS: Readonly<Record<string, LogDriver>> = {
  'json-file': {
    maxBytes: undefined,
    maxFiles: 1,
    unknownOption: (name) => `unknown log opt '${name}' for json-file log driver`,
  },
  local: {
    maxBytes: 20 * 1024 * 1024,
    maxFiles: 5,
    unknownOption: (name) => `unknown log opt '${name}' for log driver local`,
  },
};

const OPTIONS = ['max-size', 'max-file', 'compress', 'labels', 'labels-regex', 'env', 'env-regex', 'tag'];
/** What `docker info` shows. */
export const LOG_DRIVERS: readonly string[] = [...Object.keys(DRIVERS), 'none'];

/** Of all drivers. Non-blocking or not, the container never waits for a log driver: conmon writes to a file. */
const COMMON_OPTIONS = ['mode', 'max-buffer-size'];

export const DEFAULT_LOG_CONFIG: LogConfig = { Type: 'json-file', Config: {} };

/** The container's wish over the daemon's default, checked. Errors: InvalidArgument. */
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
  logLimits(merged);
  return merged;
}

export function logConfigOf({ hostConfig }: ContainerRecord): LogConfig {
  const { Type, Config } = (hostConfig.LogConfig ?? DEFAULT_LOG_CONFIG) as Partial<LogConfig>;
  // Records from before there were log drivers hold what the client sent: mostly an empty name.
  return Type ? { Type, Config: Config ?? {} } : DEFAULT_LOG_CONFIG;
}

/** False for `none`: nothing is written, and nothing can be read. */
export function isLogKept(record: ContainerRecord): boolean {
  return logConfigOf(record).Type !== 'none';
}

/** Errors: InvalidArgument, in Docker's words. */
export function logLimits({ Type, Config }: LogConfig): LogLimits {
  if (Type === 'none') return { maxBytes: undefined, maxFiles: 1 };
  checkMode(Config);
  const driver = Object.hasOwn(DRIVERS, Type) ? DRIVERS[Type] : undefined;
  if (!driver) {
    throw new HostError(
      'InvalidArgument',
      'UNKNOWN_LOG_DRIVER',
      `logger: no log driver named '${Type}' is registered`,
      { hint: `there are ${LOG_DRIVERS.join(', ')}` },
    );
  }
  for (const name of Object.keys(Config)) {
    if (!OPTIONS.includes(name) && !COMMON_OPTIONS.includes(name)) throw invalid(driver.unknownOption(name));
  }
  return limitsOf(Config, driver);
}

function limitsOf(config: LogConfig['Config'], driver: LogDriver): LogLimits {
  const { 'max-size': size, 'max-file': files, compress } = config;
  const maxBytes = size === undefined ? driver.maxBytes : sizeOf(size, 1000);
  if (maxBytes !== undefined && maxBytes <= 0) throw invalid('max-size must be a positive number');
  if (files !== undefined && !/^[+-]?\d+$/.test(files)) {
    throw invalid(`invalid value for max-file: ${files} is not a whole number`);
  }
  const maxFiles = files === undefined ? driver.maxFiles : Number(files);
  if (maxFiles < 1) throw invalid('max-file cannot be less than 1');
  if (compress !== undefined && truthOf(compress) && (maxFiles === 1 || maxBytes === undefined)) {
    throw invalid('compress cannot be true when max-file is less than 2 or max-size is not set');
  }
  return { maxBytes, maxFiles };
}

function checkMode({ mode = '', 'max-buffer-size': buffer }: Record<string, string | undefined>): void {
  if (!['', 'blocking', 'non-blocking'].includes(mode)) {
    throw invalid(`logger: logging mode not supported: ${mode}`);
  }
  if (buffer === undefined) return;
  if (mode !== 'non-blocking') {
    throw invalid("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  }
  sizeOf(buffer, 1024);
}

/** `10m`, `1.5 GB`, `20MiB`: the letter's thousands are of `base`, whatever follows it. */
function sizeOf(text: string, base: 1000 | 1024): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([kmgtp])?i?b?$/i.exec(text) ?? [];
  if (number === undefined) throw invalid(`invalid size: '${text}'`);
  return Math.floor(Number(number) * base ** ' kmgtp'.indexOf(unit.toLowerCase() || ' '));
}

const TRUE = ['1', 't', 'T', 'true', 'TRUE', 'True'];
const FALSE = ['0', 'f', 'F', 'false', 'FALSE', 'False'];

function truthOf(text: string): boolean {
  if (!TRUE.includes(text) && !FALSE.includes(text)) {
    throw invalid(`invalid boolean value for compress: "${text}"`);
  }
  return TRUE.includes(text);
}

function invalid(message: string): HostError {
  return new HostError('InvalidArgument', 'INVALID_LOG_OPTION', message);
}
