/** How the values of options are written: as words of a flag, and as JSON in the configuration file. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';

export interface OptionType<T> {
  /** Stands for the value in the help, e.g. `PATH`; '' for a switch. */
  readonly word: string;
  /** What the file has, e.g. `text`. */
  readonly json: string;
  /** `texts`: what the flag was given, each time. Errors: InvalidArgument, with the fault alone. */
  readonly fromFlags: (texts: readonly string[]) => T;
  readonly fromFile: (value: unknown) => T;
}

export function fault(message: string): HostError {
  return new HostError('InvalidArgument', 'INVALID_OPTION', message);
}

const TRUE = ['1', 't', 'T', 'TRUE', 'true', 'True'];
const FALSE = ['0', 'f', 'F', 'FALSE', 'false', 'False'];

/** On with the flag alone, or as Go writes it: `--tls=false`. */
export const toggle: OptionType<boolean> = {
  word: '',
  json: 'true or false',
  fromFlags(texts) {
    const last = texts.at(-1) ?? '';
    if (TRUE.includes(last)) return true;
    if (FALSE.includes(last)) return false;
    throw fault('true or false is expected');
  },
  fromFile(value) {
    if (typeof value === 'boolean') return value;
    throw fault('true or false is expected');
  },
};

type Check = (text: string) => void;
const any: Check = () => {};

export function text(word: string, check: Check = any): OptionType<string> {
  return {
    word,
    json: 'text',
    fromFlags: (texts) => checked(texts.at(-1) ?? '', check),
    fromFile: (value) => checked(textOf(value), check),
  };
}

export function choice<const T extends string>(words: readonly T[]): OptionType<T> {
  const check = (word: string): T => {
    const known = words.find((one) => one === word);
    if (known !== undefined) return known;
    throw fault(`${words.map((one) => `"${one}"`).join(' or ')} is expected`);
  };
  return {
    word: words.join('|'),
    json: 'text',
    fromFlags: (texts) => check(texts.at(-1) ?? ''),
    fromFile: (value) => check(textOf(value)),
  };
}

export function whole(word: string, least = Number.MIN_SAFE_INTEGER): OptionType<number> {
  const check = (value: number): number => {
    if (!Number.isSafeInteger(value)) throw fault('a whole number is expected');
    if (value < least) throw fault(`at least ${least} is expected`);
    return value;
  };
  return {
    word,
    json: 'number',
    fromFlags(texts) {
      const last = texts.at(-1) ?? '';
      return check(/^[+-]?\d+$/.test(last) ? Number(last) : Number.NaN);
    },
    fromFile: (value) => check(typeof value === 'number' ? value : Number.NaN),
  };
}

/** `64m`: letters count in 1024, as Docker's do for memory. The file also takes a number of bytes. */
export const bytes: OptionType<number> = {
  word: 'BYTES',
  json: 'text or number',
  fromFlags: (texts) => byteCount(texts.at(-1) ?? ''),
  fromFile: (value) => (typeof value === 'number' ? byteCount(String(value)) : byteCount(textOf(value))),
};

function byteCount(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?([kmgtp])?(?:i?b)?$/i.exec(text) ?? [];
  if (number === undefined) throw fault(`invalid size: '${text}'`);
  return Math.floor(Number(number) * 1024 ** ' kmgtp'.indexOf(unit.toLowerCase() || ' '));
}

/** Given several times. */
export function list(word: string, check: Check = any): OptionType<readonly string[]> {
  return {
    word,
    json: 'list',
    fromFlags: (texts) => texts.map((one) => checked(one, check)),
    fromFile(value) {
      if (!Array.isArray(value)) throw fault('a list is expected');
      return value.map((one) => checked(textOf(one), check));
    },
  };
}

/** `NAME=VALUE`, several times; an object of texts in the file. */
export const pairs: OptionType<Readonly<Record<string, string>>> = {
  word: 'NAME=VALUE',
  json: 'object',
  fromFlags: (texts) => Object.fromEntries(texts.map(pairOf)),
  fromFile: (value) =>
    Object.fromEntries(Object.entries(objectOf(value)).map(([name, one]) => [name, textOf(one)])),
};

export function pairOf(text: string): readonly [name: string, value: string] {
  const at = text.indexOf('=');
  if (at <= 0) throw fault(`"${text}": NAME=VALUE is expected`);
  return [text.slice(0, at), text.slice(at + 1)];
}

export function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  throw fault('text is expected');
}

export function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw fault('an object is expected');
}

function checked(text: string, check: Check): string {
  check(text);
  return text;
}
