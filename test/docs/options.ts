/** The tables of docs/options.md, from the table of options. Run as a program (`npm run docs`) it writes them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { FOREIGN } from '../../core/config/options/foreign.ts';
import { defaultText } from '../../core/config/options/help.ts';
import { GROUPS } from '../../core/config/options/table.ts';

const PAGE = resolve(import.meta.dirname, '../../docs/options.md');
export const BEGIN = '<!-- options: written by `npm run docs` -->';
export const END = '<!-- end of options -->';

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

export function generated(): string {
  const groups = Object.entries(GROUPS).flatMap(([title, rows]) => [
    `### ${title}`,
    '',
    '| Flag | In the file | Default | Reload | |',
    '| --- | --- | --- | --- | --- |',
    ...Object.values(rows).map((row) => {
      const { flag, short, key, type, reloadable, help } = row;
      const flags = `\`${short ? `-${short}, ` : ''}--${flag}${type.word && ` ${cell(type.word)}`}\``;
      const inFile = key ? `\`${key}\`: ${type.json}` : '';
      return `| ${flags} | ${inFile} | ${cell(defaultText(row))} | ${reloadable ? 'yes' : ''} | ${cell(help)} |`;
    }),
    '',
  ]);
  const named = ({ flag, key }: (typeof FOREIGN)[number]) =>
    flag ? `\`--${flag}\`` : `\`${key}\` in the file`;
  const ignored = [
    ...Map.groupBy(
      FOREIGN.filter(({ refused }) => !refused),
      ({ why }) => why,
    ),
  ];
  return [
    ...groups,
    "### Docker's that have no effect",
    '',
    'They are taken and warned about, in the log and in `docker info`.',
    '',
    ...ignored.map(([why, rows]) => `* ${rows.map(named).join(', ')}: ${why}`),
    '',
    "### Docker's that are refused",
    '',
    'Each asks for a protection, and the daemon does not start without it.',
    '',
    ...FOREIGN.filter(({ refused }) => refused).map((row) => `* ${named(row)}: ${row.why}`),
  ].join('\n');
}

/** The page with its generated part made anew. */
export function refreshed(page: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`docs/options.md lacks "${BEGIN}" or "${END}"`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${generated()}\n\n${page.slice(end)}`;
}

if (import.meta.main) writeFileSync(PAGE, refreshed(readFileSync(PAGE, 'utf8')));
