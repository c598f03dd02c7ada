/** Help for all commands, for a group of them, or for one. */
import { GLOBAL_FLAGS } from './args.ts';
import type { Command, Flags } from './command.ts';

/** Of a line of flags. */
const WIDTH = 120;

export function help(words: readonly string[], commands: readonly Command[]): string {
  const within = commands
    .filter((one) => !one.hidden)
    .filter((one) => words.every((word, index) => one.words[index] === word));
  const exact = within.find((one) => one.words.length === words.length);
  if (exact && words.length > 0) return commandHelp(exact);
  return words.length === 0 ? wholeHelp(within) : groupHelp(words, within);
}

function wholeHelp(commands: readonly Command[]): string {
  return sections(
    'Usage: gantry [-H HOST] COMMAND [FLAGS]',
    `The part of Gantry that Docker has no word for: drivers and diagnosis. Containers, images and volumes are the
docker command's: docker -H unix:///run/gantry/gantry.sock run --rm busybox echo hello`,
    `Commands:\n${listed(commands)}`,
    `Flags:\n${flagLines(GLOBAL_FLAGS)}`,
    `Examples:
  gantry doctor                   is this machine fit to run containers?
  gantry driver ls                which drivers are there, and do they answer?
  gantry driver why web           why does the container "web" not start?
  gantry fsck --repair            clear away what crashes have left`,
    'Exit status: 0 all is well, 1 something failed or was found, 2 the command was not understood.',
    'More on one: gantry help COMMAND',
  );
}

function groupHelp(words: readonly string[], commands: readonly Command[]): string {
  return sections(`Usage: gantry ${words.join(' ')} COMMAND`, `Commands:\n${listed(commands)}`);
}

function commandHelp({ words, operands, flags, summary, details, examples }: Command): string {
  const usage = ['gantry', ...words, ...operands, ...Object.entries(flags).map(inUsage)].join(' ');
  return sections(
    `Usage: ${usage}`,
    summary,
    details,
    `Flags:\n${flagLines({ ...flags, ...GLOBAL_FLAGS })}`,
    `Examples:\n${examples.map((one) => `  ${one}`).join('\n')}`,
  );
}

function inUsage([name, { value, required }]: readonly [string, Flags[string]]): string {
  const flag = `--${name}${value ? ` ${value}` : ''}`;
  return required ? flag : `[${flag}]`;
}

function listed(commands: readonly Command[]): string {
  const names = commands.map(({ words, operands }) => [...words, ...operands].join(' '));
  const width = Math.max(...names.map((name) => name.length)) + 3;
  return commands.map(({ summary }, index) => `  ${(names[index] ?? '').padEnd(width)}${summary}`).join('\n');
}

function flagLines(flags: Flags): string {
  const rows = Object.entries(flags).map(([name, { short, value, choices, help, default: usual }]) => {
    const left = `${short ? `-${short}, ` : '    '}--${name}${value ? ` ${choices?.join('|') ?? value}` : ''}`;
    return { left, help: usual === undefined ? help : `${help} (default ${usual})` };
  });
  const width = Math.max(...rows.map(({ left }) => left.length)) + 3;
  const indent = `\n${' '.repeat(width + 2)}`;
  return rows
    .map(({ left, help }) => `  ${left.padEnd(width)}${wrapped(help, WIDTH - width - 2).join(indent)}`)
    .join('\n');
}

/** Lines of at most `width` characters, cut between words. */
function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

function sections(...parts: readonly (string | undefined)[]): string {
  return `${parts.filter(Boolean).join('\n\n')}\n`;
}
