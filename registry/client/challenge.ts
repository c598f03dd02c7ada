/** The WWW-Authenticate header: which ways of saying who one is a registry takes. Source: RFC 9110, section 11.6.1. */

export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const WORD = /^[\w!#$%&'*+.^`|~-]+/;

/** What is malformed is passed over. */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let rest = header.trimStart();
  while (rest !== '') {
    const word = WORD.exec(rest)?.[0];
    if (word === undefined) {
      rest = rest.slice(1).trimStart();
      continue;
    }
    rest = rest.slice(word.length).trimStart();
    if (!rest.startsWith('=')) {
      challenges.push({ scheme: word.toLowerCase(), parameters: new Map() });
      continue;
    }
    const { value, after } = readValue(rest.slice(1).trimStart());
    challenges.at(-1)?.parameters.set(word.toLowerCase(), value);
    rest = after.replace(/^[\s,]+/, '');
  }
  return challenges;
}

function readValue(text: string): { value: string; after: string } {
  const quoted = /^"((?:[^"\\]|\\.)*)"/.exec(text);
  if (quoted) {
    return { value: (quoted[1] ?? '').replace(/\\(.)/g, '$1'), after: text.slice(quoted[0].length) };
  }
  const plain = /^[^\s,]*/.exec(text)?.[0] ?? '';
  return { value: plain, after: text.slice(plain.length) };
}
