/** What can come next on a command line, read off the command table. Asks nobody. */
import { GLOBAL_FLAGS } from '../args.ts';
import type { Command, Flag, Flags, Offer } from '../command.ts';

export interface Candidate {
  readonly text: string;
  readonly help?: string;
}

export interface Candidates {
  /** All of them, whatever the word under the cursor begins with. */
  readonly known: readonly Candidate[];
  /** What else can stand there. */
  readonly offer?: Offer | undefined;
  /** What an offered value is to be put behind: `--format=`. */
  readonly prefix: string;
  /** Of `--host` on the line. */
  readonly host?: string | undefined;
}

/** `words`: what stands behind `gantry`; the last is under the cursor, and may be empty. */
export function candidatesFor(words: readonly string[], commands: readonly Command[]): Candidates {
  const shown = commands.filter(({ hidden }) => !hidden);
  const current = words.at(-1) ?? '';
  const line = readLine(words.slice(0, -1), shown);
  const { host } = line;
  if (line.open) return { ...ofValue(line.open, ''), host };
  const [, flag, equals] = /^--([^=]+)(=)/.exec(current) ?? [];
  if (equals) return { ...ofValue(line.flags[flag ?? ''], `--${flag}=`), host };
  if (current.startsWith('-') && !line.onlyOperands) return { known: flagsOf(line), prefix: '', host };
  if (line.help) return { known: nextWords(line.operands, shown, false), prefix: '', host };
  if (line.command)
    return { known: [], offer: line.command.offers?.[line.operands.length], prefix: '', host };
  return { known: nextWords(line.operands, shown, true), prefix: '', host };
}

interface Line {
  readonly command: Command | undefined;
  /** Words that are no flags, without those of the command. */
  readonly operands: readonly string[];
  readonly flags: Flags;
  readonly given: ReadonlySet<string>;
  /** A flag whose value is to come. */
  readonly open: Flag | undefined;
  readonly help: boolean;
  readonly onlyOperands: boolean;
  readonly host: string | undefined;
}

function readLine(words: readonly string[], commands: readonly Command[]): Line {
  const plain: string[] = [];
  const given = new Set<string>();
  let open: string | undefined;
  let onlyOperands = false;
  let host: string | undefined;
  for (const word of words) {
    const flags = flagsAt(plain, commands);
    if (open !== undefined) {
      if (open === 'host') host = word;
      open = undefined;
    } else if (onlyOperands || !word.startsWith('-')) plain.push(word);
    else if (word === '--') onlyOperands = true;
    else {
      const [, name = '', value] = /^--?([^=]*)(?:=(.*))?$/.exec(word) ?? [];
      const long = word.startsWith('--') ? name : longNameOf(name, flags);
      given.add(long);
      if (long === 'host' && value !== undefined) host = value;
      if (flags[long]?.type === 'string' && value === undefined) open = long;
    }
  }
  const help = plain[0] === 'help';
  const command = help ? undefined : commandOf(plain, commands);
  const operands = plain.slice(help ? 1 : (command?.words.length ?? 0));
  const flags = flagsAt(plain, commands);
  return {
    command,
    operands,
    flags,
    given,
    open: open === undefined ? undefined : flags[open],
    help,
    onlyOperands,
    host,
  };
}

function commandOf(plain: readonly string[], commands: readonly Command[]): Command | undefined {
  return commands.find(({ words }) => words.every((word, index) => plain[index] === word));
}

function flagsAt(plain: readonly string[], commands: readonly Command[]): Flags {
  return { ...commandOf(plain, commands)?.flags, ...GLOBAL_FLAGS };
}

function longNameOf(short: string, flags: Flags): string {
  return Object.entries(flags).find(([, flag]) => flag.short === short)?.[0] ?? short;
}

function ofValue(flag: Flag | undefined, prefix: string): Pick<Candidates, 'known' | 'offer' | 'prefix'> {
  const known = (flag?.choices ?? []).map((choice) => ({ text: `${prefix}${choice}` }));
  return { known, offer: flag?.offers, prefix };
}

function flagsOf({ flags, given }: Line): readonly Candidate[] {
  return Object.entries(flags)
    .filter(([name]) => !given.has(name))
    .map(([name, { help }]) => ({ text: `--${name}`, help }));
}

/** A command's next word, with what it does; of a group, what there is in it. */
function nextWords(
  typed: readonly string[],
  commands: readonly Command[],
  withHelp: boolean,
): readonly Candidate[] {
  const next = new Map<string, string>();
  for (const { words, summary } of commands) {
    const word = words[typed.length];
    if (word === undefined || !typed.every((one, index) => words[index] === one)) continue;
    const isLast = words.length === typed.length + 1;
    const others = commands.filter(({ words: all }) => all[0] === word).map(({ words: all }) => all[1]);
    next.set(word, isLast ? summary : others.join(', '));
  }
  if (withHelp && typed.length === 0) next.set('help', 'Explain gantry, or one of its commands');
  return [...next].map(([text, help]) => ({ text, help }));
}
