/** The sub-commands of a docker command, as its own help lists them. */
import { execFileSync } from 'node:child_process';

export interface Docker {
  readonly program: string;
  readonly version: string;
}

/** One program of each version that this machine has. */
export function installedDockers(): readonly Docker[] {
  const byVersion = new Map<string, Docker>();
  for (const program of execFileSync('which', ['-a', 'docker'], { encoding: 'utf8' }).trim().split('\n')) {
    const version =
      /version ([^,+]+)/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))?.[1] ?? '';
    if (!byVersion.has(version)) byVersion.set(version, { program, version });
  }
  return [...byVersion.values()];
}

/** `ps`, `container ls`, `image rm`, …: those that do something themselves. */
export function subCommands(program: string, words: readonly string[] = []): readonly string[] {
  const help = execFileSync(program, [...words, '--help'], { encoding: 'utf8' });
  const listed = [...help.matchAll(/^(?:\w+ )?Commands:\n((?: {2}\S.*\n|\s*\n)+)/gm)]
    .flatMap(([, lines = '']) => lines.split('\n'))
    .flatMap((line) => /^ {2}(\w[\w-]*)\*? {2,}/.exec(line)?.[1] ?? []);
  if (listed.length === 0) return [words.join(' ')];
  return listed.flatMap((name) => subCommands(program, [...words, name]));
}

/** The same command under its other names: `container ls` is `ps`, `image rm` is `rmi`. */
export function namesOf(command: string): readonly string[] {
  const [group = '', rest = ''] = command.split(/ (.*)/s);
  const SHORT: Readonly<Record<string, string>> = {
    'container ls': 'ps',
    'image ls': 'images',
    'image rm': 'rmi',
  };
  const long = Object.keys(SHORT).find((name) => SHORT[name] === command);
  if (SHORT[command]) return [command, SHORT[command]];
  if (rest !== '' && ['container', 'image', 'system'].includes(group)) return [command, rest];
  if (rest !== '') return [command];
  return [command, ...(long ? [long] : []), `container ${command}`, `image ${command}`, `system ${command}`];
}
