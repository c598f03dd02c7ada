/** The configuration file: an object of JSON, with Docker's names. */
import { readFileSync } from 'node:fs';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { nearNames } from '../../host/near-names.ts';

export type FileValues = ReadonlyMap<string, unknown>;

/**
 * Empty when the file is (as `/dev/null` is), or when it is not there and `required` is false. Errors: InvalidArgument
 * (`INVALID_CONFIG_FILE`) for one that is no object of JSON, or has names that are not among `known`.
 */
export function readConfigFile(path: string, known: readonly string[], required: boolean): FileValues {
  const text = contentOf(path, required).replace(/^\uFEFF/, '');
  if (text.trim() === '') return new Map();
  const { proxies, ...values } = parse(path, text);
  if (proxies !== undefined && (typeof proxies !== 'object' || proxies === null)) {
    throw invalid(path, 'proxies: an object is expected');
  }
  // Docker keeps the three of them in an object of their own.
  const all = new Map(Object.entries({ ...values, ...(proxies as object | undefined) }));
  const unknown = [...all.keys()].filter((key) => !known.includes(key));
  if (unknown.length === 0) return all;
  const names = unknown.map((key) => {
    const near = nearNames(key, known);
    return near.length === 0 ? key : `${key} (did you mean ${near.join(' or ')}?)`;
  });
  throw invalid(path, `the following directives don't match any configuration option: ${names.join(', ')}`);
}

function contentOf(path: string, required: boolean): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !required) return '';
    throw invalid(path, (error as Error).message);
  }
}

function parse(path: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(path, (error as Error).message);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw invalid(path, 'an object is expected');
}

export function invalid(path: string, fault: string): HostError {
  const message = `unable to configure the daemon with file ${path}: ${fault}`;
  return new HostError('InvalidArgument', 'INVALID_CONFIG_FILE', message, {
    hint: 'gantryd --validate checks it without starting',
  });
}
