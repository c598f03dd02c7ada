/** Values of options that have a form of their own: resource limits and runtimes. */
import { fault, type OptionType, objectOf, pairOf, textOf } from './types.ts';

export interface Ulimit {
  readonly Name: string;
  readonly Soft: number;
  readonly Hard: number;
}

const ULIMITS = [
  ...['core', 'cpu', 'data', 'fsize', 'locks', 'memlock', 'msgqueue', 'nice', 'nofile', 'nproc', 'rss'],
  ...['rtprio', 'rttime', 'sigpending', 'stack'],
];

/** `nofile=1024:4096`, or one number for both. By name in the file. */
export const ulimits: OptionType<Readonly<Record<string, Ulimit>>> = {
  word: 'NAME=SOFT[:HARD]',
  json: 'object',
  fromFlags: (texts) => byName(texts.map(ulimitOf)),
  fromFile(value) {
    const limits = Object.entries(objectOf(value)).map(([name, one]) => {
      const { Name = name, Soft, Hard } = objectOf(one);
      return checkedUlimit({ Name: textOf(Name), Soft: Number(Soft ?? Hard), Hard: Number(Hard ?? Soft) });
    });
    return byName(limits);
  },
};

function ulimitOf(text: string): Ulimit {
  const [Name, limits] = pairOf(text);
  const [, soft, hard = soft] = /^(-?\d+)(?::(-?\d+))?$/.exec(limits) ?? [];
  if (soft === undefined) throw fault(`invalid ulimit type: ${text}: NAME=SOFT[:HARD] is expected`);
  return checkedUlimit({ Name, Soft: Number(soft), Hard: Number(hard) });
}

function checkedUlimit(limit: Ulimit): Ulimit {
  const { Name, Soft, Hard } = limit;
  if (!ULIMITS.includes(Name)) throw fault(`invalid ulimit type: ${Name}`);
  if (!Number.isSafeInteger(Soft) || !Number.isSafeInteger(Hard))
    throw fault(`ulimit ${Name}: whole numbers are expected`);
  const exceeds = Hard !== -1 && (Soft === -1 || Soft > Hard);
  if (exceeds) throw fault(`ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard}`);
  return limit;
}

function byName(limits: readonly Ulimit[]): Readonly<Record<string, Ulimit>> {
  return Object.fromEntries(limits.map((limit) => [limit.Name, limit]));
}

/** An OCI runtime that the operator adds: a program, and words that come before every order to it. */
export interface RuntimeProgram {
  readonly path: string;
  readonly args: readonly string[];
}

/** `NAME=PATH`; in the file `{NAME: {path, runtimeArgs}}`. */
export const runtimes: OptionType<Readonly<Record<string, RuntimeProgram>>> = {
  word: 'NAME=PATH',
  json: 'object',
  fromFlags: (texts) =>
    Object.fromEntries(
      texts.map((one) => pairOf(one)).map(([name, path]) => [name, runtimeOf(name, { path })]),
    ),
  fromFile: (value) =>
    Object.fromEntries(
      Object.entries(objectOf(value)).map(([name, one]) => [name, runtimeOf(name, objectOf(one))]),
    ),
};

const RUNTIME_FIELDS = ['path', 'runtimeArgs'];

function runtimeOf(name: string, fields: Readonly<Record<string, unknown>>): RuntimeProgram {
  if (!/^[a-zA-Z0-9][\w.-]*$/.test(name))
    throw fault(`runtime "${name}": letters, digits, ".", "_" and "-" make a name`);
  const unknown = Object.keys(fields).filter((field) => !RUNTIME_FIELDS.includes(field));
  if (unknown.length > 0) {
    throw fault(
      `runtime "${name}": ${unknown.join(', ')}: only path and runtimeArgs of an OCI runtime are known`,
    );
  }
  const path = textOf(fields.path ?? '');
  if (path === '') throw fault(`runtime "${name}": a path is expected`);
  const args = fields.runtimeArgs ?? [];
  if (!Array.isArray(args)) throw fault(`runtime "${name}": runtimeArgs: a list is expected`);
  return { path, args: args.map(textOf) };
}
