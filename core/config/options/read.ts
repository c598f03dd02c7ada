/** Flags and configuration file, brought together into one typed object. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { HostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import { DEFAULT_LOG_CONFIG, type LogConfig, mergeLogConfig } from '../../controllers/logs/log-config.ts';
import { type FileValues, invalid, readConfigFile } from './file.ts';
import { type Flag, type GivenFlags, sortFlags } from './flags.ts';
import { FOREIGN } from './foreign.ts';
import type { Option } from './option.ts';
import { OPTIONS, type OptionValues } from './table.ts';

export interface DaemonOptions
  extends Omit<
    OptionValues,
    'tls' | 'tlsverify' | 'tlscacert' | 'tlscert' | 'tlskey' | 'logDriver' | 'logOpts'
  > {
  readonly tls: TlsOptions | undefined;
  /** Log driver and options of containers that name none. */
  readonly log: LogConfig;
  /** What was asked for and has no effect, a sentence each. */
  readonly warnings: readonly string[];
}

export interface TlsOptions {
  readonly verify: boolean;
  readonly ca: string | undefined;
  readonly cert: string;
  readonly key: string;
}

export type Parsed =
  | { readonly action: 'help'; readonly options?: never }
  | { readonly action: 'version'; readonly options?: never }
  | { readonly action: 'run' | 'validate'; readonly options: DaemonOptions };

export const ACTIONS: readonly (Flag & { readonly help: string })[] = [
  { flag: 'validate', takesValue: false, help: 'Check flags and configuration file, and exit' },
  { flag: 'version', short: 'v', takesValue: false, help: 'Print the version and exit' },
  { flag: 'help', short: 'h', takesValue: false, help: 'Print this and exit' },
];

const ROWS = Object.entries(OPTIONS) as readonly (readonly [keyof OptionValues, Option<unknown>])[];
const FLAGS: readonly Flag[] = [
  ...ROWS.map(([, { type, ...row }]) => ({ ...row, takesValue: type.word !== '' })),
  ...FOREIGN,
  ...ACTIONS,
].filter(({ flag }) => flag !== '');
const KEYS = [...ROWS.map(([, { key }]) => key), ...FOREIGN.map(({ key }) => key)].filter(
  (key) => key !== '',
);

/** Errors: InvalidArgument, for the first fault of the flags, or for all of the file of one sort. */
export function parseDaemonArgs(args: readonly string[]): Parsed {
  const given = sortFlags(args, FLAGS);
  if (given.has('help')) return { action: 'help' };
  if (given.has('version')) return { action: 'version' };
  return { action: given.has('validate') ? 'validate' : 'run', options: readOptions(given) };
}

function readOptions(given: GivenFlags): DaemonOptions {
  const configFile = given.get('config-file')?.at(-1);
  const file = configFile ?? OPTIONS.configFile.default;
  const inFile = readConfigFile(file, KEYS, configFile !== undefined);
  refuseBoth(file, given, inFile);
  const warnings = foreignWarnings(given, inFile);
  const values = Object.fromEntries(ROWS.map(([name, row]) => [name, settingOf(row, given, file, inFile)]));
  return settle(values as unknown as OptionValues, warnings);
}

function settingOf(row: Option<unknown>, given: GivenFlags, file: string, inFile: FileValues): unknown {
  const texts = given.get(row.flag);
  try {
    // Runtimes may stand in both, as in Docker; no other option may.
    const both = row.key !== '' && inFile.has(row.key) ? row.type.fromFile(inFile.get(row.key)) : undefined;
    if (texts === undefined) return both ?? row.default;
    const fromFlags = row.type.fromFlags(texts);
    return both === undefined ? fromFlags : { ...(both as object), ...(fromFlags as object) };
  } catch (error) {
    if (texts === undefined) throw invalid(file, `${row.key}: ${messageChain(error)}`);
    const shown = texts.map((text) => `"${text}"`).join(', ');
    const message = `invalid argument ${shown} for --${row.flag}: ${messageChain(error)}`;
    throw new HostError('InvalidArgument', 'INVALID_OPTION', message);
  }
}

const MAY_BE_BOTH = [OPTIONS.runtimes.key];

/** Docker's rule: neither wins, since nobody could say which was meant. */
function refuseBoth(file: string, given: GivenFlags, inFile: FileValues): void {
  const conflicts = ROWS.filter(([, { flag, key }]) => given.has(flag) && key !== '' && inFile.has(key))
    .filter(([, { key }]) => !MAY_BE_BOTH.includes(key))
    .map(([, { flag, key }]) => {
      const fromFlag = given.get(flag)?.join(', ');
      return `${key}: (from flag: ${fromFlag}, from file: ${JSON.stringify(inFile.get(key))})`;
    });
  if (conflicts.length === 0) return;
  const fault = 'the following directives are specified both as a flag and in the configuration file: ';
  throw invalid(file, fault + conflicts.join(', '));
}

function foreignWarnings(given: GivenFlags, inFile: FileValues): string[] {
  return FOREIGN.flatMap(({ flag, key, refused, why }) => {
    const names = [
      ...(flag && given.has(flag) ? [`--${flag}`] : []),
      ...(key && inFile.has(key) ? [`"${key}" of the configuration file`] : []),
    ];
    if (refused && names.length > 0 && !isOff(given.get(flag)?.at(-1) ?? inFile.get(key))) {
      throw new HostError('NotImplemented', 'OPTION_NOT_IMPLEMENTED', `${names[0]}: ${why}`, {
        hint: 'leave it out if the daemon may go without',
      });
    }
    return refused ? [] : names.map((name) => `${name} has no effect: ${why}`);
  });
}

/** A protection that is switched off in so many words is none that is missed. */
function isOff(value: unknown): boolean {
  const isEmptyList = Array.isArray(value) && value.length === 0;
  return isEmptyList || value === false || value === 'false' || value === '';
}

function settle(values: OptionValues, warnings: string[]): DaemonOptions {
  const { tls: _, tlsverify, tlscacert, tlscert, tlskey, logDriver, logOpts, ...rest } = values;
  if (!rest.liveRestore)
    warnings.push('live-restore=false has no effect: containers always go on without the daemon');
  const labels = new Set(rest.labels.map((label) => label.split('=', 1)[0]));
  if (labels.size < new Set(rest.labels).size) {
    throw new HostError(
      'InvalidArgument',
      'INVALID_OPTION',
      `conflict labels: one key has several values: ${rest.labels.join(', ')}`,
    );
  }
  return {
    ...rest,
    dataRoot: path.resolve(rest.dataRoot),
    execRoot: path.resolve(rest.execRoot),
    logLevel: rest.debug ? 'debug' : rest.logLevel,
    debug: rest.debug || rest.logLevel === 'debug',
    log: mergeLogConfig({ Type: logDriver, Config: logOpts }, DEFAULT_LOG_CONFIG),
    seccompProfile: checkedProfile(rest.seccompProfile),
    tls: tlsOf(values),
    warnings,
  };
}

/** Read again when a container is made; a fault shall show here, and not in the middle of the night. */
function checkedProfile(profile: string): string {
  if (['', 'builtin', 'unconfined'].includes(profile)) return profile;
  const file = path.resolve(profile);
  try {
    JSON.parse(readFileSync(file, 'utf8'));
    return file;
  } catch (error) {
    const message = `seccomp profile ${file}: ${(error as Error).message}`;
    throw new HostError('InvalidArgument', 'INVALID_OPTION', message);
  }
}

function tlsOf({ tls, tlsverify, tlscacert, tlscert, tlskey }: OptionValues): TlsOptions | undefined {
  if (!tls && !tlsverify) return undefined;
  const needed = { tlscert, tlskey, ...(tlsverify && { tlscacert }) };
  const missing = Object.entries(needed).flatMap(([flag, value]) => (value === '' ? [`--${flag}`] : []));
  if (missing.length > 0) {
    throw new HostError('InvalidArgument', 'INVALID_FLAG', `TLS needs ${missing.join(', ')}`);
  }
  return { verify: tlsverify, ca: tlscacert || undefined, cert: tlscert, key: tlskey };
}
