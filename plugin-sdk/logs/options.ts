/** Options of log drivers that keep files, checked as Docker checks them and in its words. */
import type { LogOptions } from '../contracts/log.ts';
import { HostError } from '../errors.ts';

export interface FileLimits {
  /** Size beyond which another file is begun; undefined for no limit. */
  readonly maxBytes: number | undefined;
  /** How many files there are at most, with the one that is written to. */
  readonly maxFiles: number;
  /** Whether older files are compressed. */
  readonly compress: boolean;
}

/** Errors: InvalidArgument, with `unknown(NAME)` for an option that is none of `known`. */
export function checkNames(
  options: LogOptions,
  known: readonly string[],
  unknown: (name: string) => string,
): void {
  for (const name of Object.keys(options)) if (!known.includes(name)) throw invalidOption(unknown(name));
}

/** `max-size`, `max-file` and `compress`. Errors: InvalidArgument. */
export function fileLimits(options: LogOptions, defaults: FileLimits): FileLimits {
  const { 'max-size': size, 'max-file': files, compress: wish } = options;
  const maxBytes = size === undefined ? defaults.maxBytes : sizeOf(size, 1000);
  if (maxBytes !== undefined && maxBytes <= 0) throw invalidOption('max-size must be a positive number');
  if (files !== undefined && !/^[+-]?\d+$/.test(files)) {
    throw invalidOption(`invalid value for max-file: ${files} is not a whole number`);
  }
  const maxFiles = files === undefined ? defaults.maxFiles : Number(files);
  if (maxFiles < 1) throw invalidOption('max-file cannot be less than 1');
  const compress = wish === undefined ? defaults.compress && maxFiles > 1 : truthOf('compress', wish);
  if (compress && (maxFiles === 1 || maxBytes === undefined)) {
    throw invalidOption('compress cannot be true when max-file is less than 2 or max-size is not set');
  }
  return { maxBytes, maxFiles, compress };
}

/** `10m`, `1.5 GB`, `20MiB`: the letter's thousands are of `base`, whatever follows it. */
export function sizeOf(text: string, base: 1000 | 1024): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([kmgtp])?i?b?$/i.exec(text) ?? [];
  if (number === undefined) throw invalidOption(`invalid size: '${text}'`);
  return Math.floor(Number(number) * base ** ' kmgtp'.indexOf(unit.toLowerCase() || ' '));
}

const TRUE = ['1', 't', 'T', 'true', 'TRUE', 'True'];
const FALSE = ['0', 'f', 'F', 'false', 'FALSE', 'False'];

/** Errors: InvalidArgument. */
export function truthOf(name: string, text: string): boolean {
  if (!TRUE.includes(text) && !FALSE.includes(text)) {
    throw invalidOption(`invalid boolean value for ${name}: "${text}"`);
  }
  return TRUE.includes(text);
}

export function invalidOption(message: string): HostError {
  return new HostError('InvalidArgument', 'INVALID_LOG_OPTION', message);
}
