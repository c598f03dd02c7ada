/** What the pages promise: links that lead somewhere, commands, files and code that exist. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { COMMANDS } from '../../../core/cli/commands.ts';
import { markdown, markdownFiles, ROOT } from './files.ts';

const EXAMPLE = 'plugin-sdk/examples/volume-plugin.ts';
/** A path in backticks that begins at the top of the repository. */
const OUR_FILE = /`((?:core|drivers|plugin-sdk|registry|test|docs)\/[\w./-]*\w\/?)`/g;
const HAS_OUR_FILES = /^(README\.md|docs\/)/;

/** GitHub's anchor of a heading. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\w\s-]/g, '')
    .trim()
    .replaceAll(' ', '-');
}

function anchorsOf(path: string): readonly string[] {
  return [...markdown(path).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchor(heading));
}

t.test('relative links lead somewhere', async (t) => {
  const pages = markdownFiles();
  t.ok(pages.length > 10, `${pages.length} pages`);
  for (const page of pages) {
    for (const [, target = ''] of markdown(page).matchAll(/\[[^\]]*\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file = '', fragment] = target.split('#');
      const path = file === '' ? page : join(dirname(page), file);
      t.ok(existsSync(join(ROOT, path)), `${page}: ${target}`);
      if (fragment && path.endsWith('.md')) t.ok(anchorsOf(path).includes(fragment), `${page}: ${target}`);
    }
  }
});

t.test('files that the pages name are there', async (t) => {
  for (const page of markdownFiles().filter((path) => HAS_OUR_FILES.test(path))) {
    for (const [, path = ''] of markdown(page).matchAll(OUR_FILE)) {
      t.ok(existsSync(join(ROOT, path)), `${page}: ${path}`);
    }
  }
});

t.test('commands that the pages name are there', async (t) => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object };
  const ours = COMMANDS.map(({ words }) => words.join(' '));
  for (const page of markdownFiles().filter((path) => HAS_OUR_FILES.test(path))) {
    const text = markdown(page);
    for (const [, name = ''] of text.matchAll(/\bnpm run ([\w:-]+)/g)) {
      t.ok(Object.hasOwn(scripts, name), `${page}: npm run ${name}`);
    }
    for (const [, line = ''] of text.matchAll(/(?:`|^ {4}|\$ )gantry ((?!-)[a-z]+(?: [a-z]+)?)/gm)) {
      t.ok(
        ours.some((known) => known === line || line.startsWith(`${known} `) || known.startsWith(`${line} `)),
        `${page}: gantry ${line}`,
      );
    }
  }
});

t.test('every script of package.json runs a file that is there', async (t) => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  for (const [name, command] of Object.entries(scripts)) {
    const file = /^(?:sh|node) (\S+)/.exec(command)?.[1];
    if (file) t.ok(existsSync(join(ROOT, file)), `${name}: ${file}`);
  }
});

t.test('the guide shows the example that the quickstart runs', async (t) => {
  const blocks = [...markdown('docs/guides/write-a-driver.md').matchAll(/^```ts\n(.*?)^```$/gms)];
  t.ok(blocks.length > 0);
  const shown = blocks.map(([, code = '']) => code).join('\n');
  t.equal(shown.trim(), readFileSync(join(ROOT, EXAMPLE), 'utf8').trim());
});
