/** How the quickstart talks: steps, command lines and their output; colour on a terminal only. */
const coloured = process.stdout.isTTY === true && !process.env.NO_COLOR;

function print(text: string, style = ''): void {
  process.stdout.write(coloured && style ? `\x1b[${style}m${text}\x1b[0m\n` : `${text}\n`);
}

let steps = 0;

/** Begins a step. */
export function say(text: string): void {
  steps += 1;
  print(`\n${steps}. ${text}`, '1');
}

/** A command line that the reader could type. */
export function shown(line: string): void {
  print(`   $ ${line}`, '36');
}

/** What a command answered. */
export function said(output: string): void {
  for (const line of output.trimEnd().split('\n').filter(Boolean)) print(`     ${line}`);
}

export function note(text: string): void {
  print(`   ${text}`);
}
