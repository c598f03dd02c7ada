/** `gantry __complete`: what the shells ask. Never fails: where nothing is known, nothing is offered. */
import type { Client } from '../client.ts';
import type { Offer, Run } from '../command.ts';
import { COMMANDS } from '../commands.ts';
import { type Candidate, candidatesFor } from './candidates.ts';

/** A person waits. */
const DAEMON_MS = 3_000;

export const run: Run = async ({ operands, values, client, print }) => {
  const line = values.line as string | undefined;
  const words = line === undefined ? operands : wordsOf(line);
  const current = words.at(-1) ?? '';
  const { known, offer, prefix, host } = candidatesFor(words, COMMANDS);
  if (offer === 'file' || offer === 'directory') print(`:${offer}\n`);
  const offered = await offeredBy(offer, current.slice(prefix.length), () => client(host)).catch(() => []);
  const all = [...known, ...offered.map((one) => ({ ...one, text: `${prefix}${one.text}` }))];
  for (const { text, help = '' } of all.filter((one) => one.text.startsWith(current))) {
    print(`${text}\t${help.replace(/\s+/g, ' ')}\n`);
  }
  return 0;
};

async function offeredBy(
  offer: Offer | undefined,
  begun: string,
  client: () => Promise<Client>,
): Promise<readonly Candidate[]> {
  if (offer === undefined || offer === 'file' || offer === 'directory') return [];
  if (typeof offer !== 'string') return offer.map((text) => ({ text }));
  const names = await import('./names.ts');
  if (offer === 'builtin') return names.builtinNames();
  if (offer === 'driver') return names.driverNames(await client(), DAEMON_MS);
  return names.objectNames(await client(), begun, DAEMON_MS);
}

/** As the shell would split it, as far as a command line that is being typed can tell; without the program. */
function wordsOf(line: string): readonly string[] {
  const words = [...line.matchAll(/(?:"[^"]*"?|'[^']*'?|\\.|[^\s"'\\])+/g)].map(([word]) =>
    word.replace(
      /"([^"]*)"?|'([^']*)'?|\\(.)/g,
      (_all, double, single, escaped) => double ?? single ?? escaped,
    ),
  );
  return /\s$/.test(line) ? [...words.slice(1), ''] : words.slice(1);
}
