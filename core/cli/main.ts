/** Runs one command and answers the exit status: 0 all is well, 1 something failed or was found, 2 wrong usage. */
import { isHostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { ClientEnvironment } from '../config/client.ts';
import { VERSION } from '../version.ts';
import { type Parsed, parseCommand } from './args.ts';
import type { Command } from './command.ts';
import { COMMANDS } from './commands.ts';

export const DEFAULT_HOST = 'unix:///run/gantry/gantry.sock';

export interface Edges {
  readonly environment: ClientEnvironment;
  print(text: string): void;
  complain(text: string): void;
}

export async function main(
  args: readonly string[],
  edges: Edges,
  commands: readonly Command[] = COMMANDS,
): Promise<number> {
  try {
    return await act(parseCommand(args, commands), edges, commands);
  } catch (error) {
    const hint = isHostError(error) && error.hint ? `\n  ${error.hint}` : '';
    edges.complain(`gantry: ${messageChain(error)}${hint}\n`);
    return isHostError(error) && error.code === 'USAGE' ? 2 : 1;
  }
}

async function act(parsed: Parsed, edges: Edges, commands: readonly Command[]): Promise<number> {
  if (parsed.action === 'version') {
    edges.print(`gantry ${VERSION}\n`);
    return 0;
  }
  if (parsed.action === 'help') {
    const { help } = await import('./help.ts');
    edges.print(help(parsed.words, commands));
    return 0;
  }
  const { command, operands, values } = parsed;
  const { environment, print, complain } = edges;
  const host = (values.host as string | undefined) ?? (environment.host || DEFAULT_HOST);
  const client = async (other = host) => new (await import('./client.ts')).Client(other);
  return (await command.load()).run({ operands, values, environment, client, print, complain });
}
