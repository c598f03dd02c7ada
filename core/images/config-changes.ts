/**
 * The Dockerfile lines that `docker import --change` and `docker commit --change` take, applied to an image's container
 * defaults. Source: moby builder/dockerfile, instructions valid on commit.
 */
import { posix } from 'node:path';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { ContainerDefaults } from './image-config.ts';

type Change = (defaults: ContainerDefaults, rest: string, line: string) => ContainerDefaults;

const CHANGES: Readonly<Record<string, Change>> = {
  CMD: (defaults, rest) => ({ ...defaults, Cmd: command(defaults, rest) }),
  // As in a Dockerfile, a new entry point makes an inherited CMD meaningless.
  ENTRYPOINT: (defaults, rest) => ({ ...defaults, Entrypoint: command(defaults, rest), Cmd: null }),
  ENV: (defaults, rest, line) => ({ ...defaults, Env: withEnv(defaults.Env ?? [], pairs(rest, line)) }),
  EXPOSE: (defaults, rest, line) => ({
    ...defaults,
    ExposedPorts: {
      ...defaults.ExposedPorts,
      ...keys(words(rest, line).flatMap((word) => ports(word, line))),
    },
  }),
  LABEL: (defaults, rest, line) => ({
    ...defaults,
    Labels: { ...defaults.Labels, ...Object.fromEntries(pairs(rest, line)) },
  }),
  ONBUILD: (defaults, rest) => ({ ...defaults, OnBuild: [...(defaults.OnBuild ?? []), rest] }),
  STOPSIGNAL: (defaults, rest, line) => ({ ...defaults, StopSignal: single(rest, line) }),
  USER: (defaults, rest, line) => ({ ...defaults, User: single(rest, line) }),
  VOLUME: (defaults, rest, line) => ({
    ...defaults,
    Volumes: { ...defaults.Volumes, ...keys(jsonList(rest) ?? words(rest, line)) },
  }),
  WORKDIR: (defaults, rest, line) => ({
    ...defaults,
    WorkingDir: posix.resolve('/', defaults.WorkingDir || '/', single(rest, line)),
  }),
};

/** Errors: InvalidArgument, quoting the line. */
export function applyChanges(defaults: ContainerDefaults, lines: readonly string[]): ContainerDefaults {
  // The order of CMD and ENTRYPOINT lines does not matter to Docker: a CMD among the changes survives.
  const parsed = lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  const isCmd = (line: string) => /^cmd\s/i.test(line);
  return [...parsed.filter((line) => !isCmd(line)), ...parsed.filter(isCmd)].reduce(applyChange, defaults);
}

function applyChange(defaults: ContainerDefaults, line: string): ContainerDefaults {
  const [, word = '', rest = ''] = /^(\S+)\s*([\s\S]*)$/.exec(line) ?? [];
  const change = CHANGES[word.toUpperCase()];
  if (!change) throw badChange(line, `expected one of ${Object.keys(CHANGES).join(', ')}`);
  if (rest === '') throw badChange(line, 'it has no argument');
  return change(defaults, rest, line);
}

/** A JSON list is run as it is; anything else by a shell. */
function command(defaults: ContainerDefaults, rest: string): readonly string[] {
  return jsonList(rest) ?? [...(defaults.Shell ?? ['/bin/sh', '-c']), rest];
}

function jsonList(rest: string): readonly string[] | undefined {
  if (!rest.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(rest);
    return Array.isArray(value) && value.every((one) => typeof one === 'string') ? value : undefined;
  } catch {
    return undefined; // a shell command may begin with a bracket
  }
}

/** `KEY=VALUE ...`, or one `KEY VALUE` of the old form. */
function pairs(rest: string, line: string): readonly (readonly [string, string])[] {
  const [first = '', ...more] = words(rest, line);
  if (!first.includes('=')) {
    const value = rest.slice(rest.search(/\s|$/)).trim();
    if (value === '') throw badChange(line, `"${first}" has no value`);
    return [[first, value]];
  }
  return [first, ...more].map((word) => {
    const equals = word.indexOf('=');
    if (equals < 1) throw badChange(line, `"${word}" is not KEY=VALUE`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

function withEnv(env: readonly string[], added: readonly (readonly [string, string])[]): readonly string[] {
  const merged = new Map(env.map((one) => [one.split('=', 1)[0] ?? '', one]));
  for (const [key, value] of added) merged.set(key, `${key}=${value}`);
  return [...merged.values()];
}

/** `80`, `53/udp`, `8000-8002/tcp`, as the image specification's `PORT/PROTOCOL`. */
function ports(word: string, line: string): readonly string[] {
  const [, from = '', to = from, protocol = 'tcp'] =
    /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/i.exec(word) ?? [];
  const first = Number(from);
  const last = Number(to);
  if (from === '' || first < 1 || last > 65535 || last < first) throw badChange(line, `"${word}" is no port`);
  return Array.from({ length: last - first + 1 }, (_, at) => `${first + at}/${protocol.toLowerCase()}`);
}

/** Words as a Dockerfile has them: quotes group, a backslash takes the next character as it is. */
function words(rest: string, line: string): readonly string[] {
  const found: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < rest.length; at++) {
    const character = rest.charAt(at);
    if (character === '\\' && quote !== "'" && at + 1 < rest.length) word = (word ?? '') + rest.charAt(++at);
    else if (quote !== '') {
      if (character === quote) quote = '';
      else word = (word ?? '') + character;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= '';
    } else if (/\s/.test(character)) {
      if (word !== undefined) found.push(word);
      word = undefined;
    } else word = (word ?? '') + character;
  }
  if (quote !== '') throw badChange(line, `a ${quote} is not closed`);
  return word === undefined ? found : [...found, word];
}

function single(rest: string, line: string): string {
  const [word, ...more] = words(rest, line);
  if (word === undefined || word === '' || more.length > 0) throw badChange(line, 'expected one argument');
  return word;
}

function keys(names: readonly string[]): Readonly<Record<string, object>> {
  return Object.fromEntries(names.map((name) => [name, {}]));
}

function badChange(line: string, why: string): HostError {
  return new HostError('InvalidArgument', 'CHANGE_INVALID', `apply change "${line}": ${why}`);
}
