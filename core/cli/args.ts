/** From arguments to a command with its flags and operands. Every fault throws InvalidArgument with code USAGE. */
import { parseArgs } from 'node:util';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { nearNames } from '../host/near-names.ts';
import type { Command, Flags } from './command.ts';

export const GLOBAL_FLAGS: Flags = {
  host: {
    type: 'string',
    short: 'H',
    value: 'HOST',
    help: 'Daemon: unix://PATH or tcp://HOST:PORT (default $GANTRY_HOST, $DOCKER_HOST, unix:///run/gantry/gantry.sock)',
  },
  version: { type: 'boolean', short: 'v', help: 'Print the version and exit' },
  help: { type: 'boolean', short: 'h', help: 'Print help for gantry or for the command, and exit' },
};

export type Values = Readonly<Record<string, string | boolean | undefined>>;

export type Parsed =
  | { readonly action: 'version' }
  /** Help for the commands that start with `words`. */
  | { readonly action: 'help'; readonly words: readonly string[] }
  | {
      readonly action: 'run';
      readonly command: Command;
      readonly operands: readonly string[];
      readonly values: Values;
    };

export function parseCommand(args: readonly string[], commands: readonly Command[]): Parsed {
  const at = wordsAt(args);
  const rest = args.slice(at);
  if (rest[0] === 'help') return helpFor(rest.slice(1), shown(commands));
  const command = commands.find(({ words }) => words.every((word, index) => rest[index] === word));
  const head = args.slice(0, at);
  if (command) return parseFor(command, [...head, ...rest.slice(command.words.length)]);

  const { values } = parseFlags(head, GLOBAL_FLAGS, '');
  if (values.version) return { action: 'version' };
  const words = rest.filter((word) => !word.startsWith('-'));
  const known = shown(commands);
  if (values.help || (isGroup(words, known) && asksForHelp(rest))) return helpFor(words, known);
  if (rest.length === 0) throw usage('no command given', 'gantry --help');
  throw unknownCommand(words, known);
}

function shown(commands: readonly Command[]): readonly Command[] {
  return commands.filter(({ hidden }) => !hidden);
}

function parseFor(command: Command, args: readonly string[]): Parsed {
  const name = command.words.join(' ');
  const flags = { ...GLOBAL_FLAGS, ...command.flags };
  const { values, operands } = parseFlags(args, flags, name);
  if (values.help) return { action: 'help', words: command.words };
  if (values.version) return { action: 'version' };
  const lacking = Object.entries(command.flags).filter(([flag, { required }]) => required && !values[flag]);
  if (lacking.length > 0) {
    const names = lacking.map(([flag]) => `--${flag}`);
    throw usage(`${name}: ${names.join(' and ')} missing`, `gantry ${name} --help`);
  }
  const variadic = command.operands.at(-1)?.endsWith('...') === true;
  const missing = command.operands.slice(operands.length, variadic ? -1 : undefined);
  if (missing.length > 0) throw usage(`${name}: ${missing.join(' and ')} missing`, `gantry ${name} --help`);
  const extra = variadic ? [] : operands.slice(command.operands.length);
  if (extra.length > 0) {
    throw usage(`${name}: unexpected ${extra.map(quote).join(', ')}`, `gantry ${name} --help`);
  }
  return { action: 'run', command, operands, values };
}

/** Index of the first argument that is neither a global flag nor its value. */
function wordsAt(args: readonly string[]): number {
  let at = 0;
  while (args[at]?.startsWith('-')) at += args[at] === '-H' || args[at] === '--host' ? 2 : 1;
  return Math.min(at, args.length);
}

function parseFlags(args: readonly string[], flags: Flags, name: string) {
  const options = Object.fromEntries(
    Object.entries(flags).map(([flag, { type, short }]) => [flag, { type, ...(short && { short }) }]),
  );
  const parsed = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true });
  for (const token of parsed.tokens) {
    if (token.kind === 'option') checkFlag(token.name, token.rawName, token.value, flags, name);
  }
  return { values: parsed.values as Values, operands: parsed.positionals };
}

function checkFlag(key: string, raw: string, value: string | undefined, flags: Flags, name: string): void {
  const flag = Object.hasOwn(flags, key) ? flags[key] : undefined;
  const prefix = name && `${name}: `;
  const help = ['gantry', name, '--help'].filter(Boolean).join(' ');
  if (!flag) {
    const near = nearNames(key, Object.keys(flags)).map((one) => `--${one}`);
    throw usage(`${prefix}unknown flag "${raw}"${didYouMean(near)}`, help);
  }
  if (flag.type === 'boolean' && value !== undefined) throw usage(`${prefix}${raw} takes no value`, help);
  if (flag.type === 'string' && !value) throw usage(`${prefix}${raw} needs a value`, help);
  if (flag.choices?.includes(value ?? '') === false) {
    throw usage(`${prefix}${raw} can be ${flag.choices.map(quote).join(' or ')}, not "${value}"`, help);
  }
}

function helpFor(words: readonly string[], commands: readonly Command[]): Parsed {
  const wanted = words.filter((word) => !word.startsWith('-'));
  const known = commands.some(({ words: all }) => wanted.every((word, index) => all[index] === word));
  if (!known) throw unknownCommand(wanted, commands);
  return { action: 'help', words: wanted };
}

function isGroup(words: readonly string[], commands: readonly Command[]): boolean {
  return words.length > 0 && commands.some((one) => words.every((word, index) => one.words[index] === word));
}

function asksForHelp(args: readonly string[]): boolean {
  return args.includes('--help') || args.includes('-h');
}

function unknownCommand(words: readonly string[], commands: readonly Command[]): HostError {
  const group = words[0] ?? '';
  const within = commands.filter((command) => command.words[0] === group && command.words.length > 1);
  if (within.length === 0) {
    const near = nearNames(
      group,
      commands.map((command) => command.words[0] ?? ''),
    );
    return usage(`unknown command "${group}"${didYouMean(near)}`, 'gantry --help');
  }
  const help = `gantry ${group} --help`;
  const known = within.map((command) => command.words[1] ?? '');
  if (words[1] === undefined) return usage(`${group}: one of ${known.join(', ')} missing`, help);
  return usage(`unknown command "${group} ${words[1]}"${didYouMean(nearNames(words[1], known))}`, help);
}

function didYouMean(near: readonly string[]): string {
  return near.length === 0 ? '' : `: did you mean ${near.map(quote).join(' or ')}?`;
}

function quote(text: string): string {
  return `"${text}"`;
}

function usage(message: string, help: string): HostError {
  return new HostError('InvalidArgument', 'USAGE', message, { hint: `see ${help}` });
}
