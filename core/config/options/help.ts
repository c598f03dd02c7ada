/** `gantryd --help`. */
import type { Option } from './option.ts';
import { ACTIONS } from './read.ts';
import { GROUPS } from './table.ts';

const WIDTH = 100;
const INDENT = 34;

export function daemonHelp(): string {
  const groups = Object.entries(GROUPS).map(([title, rows]) =>
    section(title, Object.values(rows).map(flagOf)),
  );
  return `Usage: gantryd [OPTIONS]

A container host that is nothing but drivers. It serves Docker's Engine API: set DOCKER_HOST to one
of its addresses. Every option but --config-file may stand in that file too; SIGHUP reads it again.
${groups.join('')}${section(
  'And',
  ACTIONS.map((action) => ({ ...action, word: '' })),
)}
What each does, its name in the file and what a reload takes: docs/options.md
`;
}

interface HelpRow {
  readonly flag: string;
  readonly short?: string;
  readonly word: string;
  readonly help: string;
}

function flagOf(row: Option<never> | Option<unknown>): HelpRow {
  const { flag, short, type, help } = row;
  const words = defaultText(row);
  return {
    flag,
    ...(short && { short }),
    word: type.word,
    help: words ? `${help} (default ${words})` : help,
  };
}

/** '' where the default is nothing, or off. */
export function defaultText({ default: value, defaultWords }: Option<never> | Option<unknown>): string {
  if (defaultWords) return defaultWords;
  if (Array.isArray(value)) return value.join(' and ');
  return typeof value === 'object' || value === false ? '' : String(value);
}

function section(title: string, rows: readonly HelpRow[]): string {
  const lines = rows.map(({ flag, short, word, help }) => {
    const named = `  ${short ? `-${short}, ` : '    '}--${flag}${word && ` ${word}`}`;
    const start = named.length < INDENT ? named.padEnd(INDENT) : `${named}\n${' '.repeat(INDENT)}`;
    return start + wrap(help, WIDTH - INDENT).join(`\n${' '.repeat(INDENT)}`);
  });
  return `\n${title}:\n${lines.join('\n')}\n`;
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
