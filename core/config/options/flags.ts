/** The words of the command line, sorted by option. Written as `dockerd` takes them: `--name value`, `--name=value`, `-n`. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { nearNames } from '../../host/near-names.ts';

export interface Flag {
  readonly flag: string;
  readonly short?: string;
  readonly takesValue: boolean;
}

/** Flag → what it was given, each time; a switch without a value was given `true`. */
export type GivenFlags = ReadonlyMap<string, readonly string[]>;

/** Errors: InvalidArgument for an unknown flag, one that lacks its value, and a word that belongs to none. */
export function sortFlags(args: readonly string[], known: readonly Flag[]): GivenFlags {
  const given = new Map<string, string[]>();
  const rest = [...args];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const { flag, value } = readWord(word, known, rest);
    given.set(flag, [...(given.get(flag) ?? []), value]);
  }
  return given;
}

function readWord(word: string, known: readonly Flag[], rest: string[]): { flag: string; value: string } {
  if (word.startsWith('--') && word.length > 2) {
    const [name = '', inline] = word.slice(2).split(/=(.*)/s);
    const flag = known.find((one) => one.flag === name);
    if (!flag) throw unknown(`--${name}`, known, name);
    return { flag: name, value: inline ?? argumentOf(flag, `--${name}`, rest) };
  }
  if (word.startsWith('-') && word.length > 1) return readShort(word, known, rest);
  throw invalid(`unexpected argument "${word}"`);
}

/** `-H ADDRESS`, `-HADDRESS`, `-D`, and several switches in one word: `-Dv`. */
function readShort(word: string, known: readonly Flag[], rest: string[]): { flag: string; value: string } {
  const flag = known.find((one) => one.short === word[1]);
  if (!flag) throw unknown(`-${word[1]}`, known, '');
  const more = word.slice(2);
  if (more.startsWith('=')) return { flag: flag.flag, value: more.slice(1) };
  if (more === '') return { flag: flag.flag, value: argumentOf(flag, `-${flag.short}`, rest) };
  if (flag.takesValue) return { flag: flag.flag, value: more };
  rest.unshift(`-${more}`);
  return { flag: flag.flag, value: 'true' };
}

function argumentOf(flag: Flag, shown: string, rest: string[]): string {
  if (!flag.takesValue) return 'true';
  const value = rest.shift();
  if (value === undefined) throw invalid(`flag needs an argument: ${shown}`);
  return value;
}

function unknown(shown: string, known: readonly Flag[], name: string): HostError {
  const near = nearNames(
    name,
    known.map(({ flag }) => flag),
  );
  const meant = near.map((one) => `--${one}`).join(' or ');
  return invalid(`unknown flag: ${shown}${meant && ` (did you mean ${meant}?)`}`);
}

function invalid(message: string): HostError {
  return new HostError('InvalidArgument', 'INVALID_FLAG', message, { hint: 'see gantryd --help' });
}
