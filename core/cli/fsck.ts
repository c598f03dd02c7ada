/** `gantry fsck [--repair]`. */
import type { Run } from './command.ts';

interface Finding {
  readonly kind: string;
  readonly what: string;
  readonly mend: string;
}

interface Report {
  readonly findings: readonly Finding[];
  readonly checked: Readonly<Record<string, number>>;
  readonly repaired?: readonly Finding[];
  readonly failed?: readonly { readonly finding: Finding; readonly error: string }[];
}

export const run: Run = async ({ client, values, print }) => {
  const daemon = await client();
  const answer = values.repair ? daemon.request('POST', '/gantry/fsck/repair') : daemon.get('/gantry/fsck');
  const report = (await answer) as Report;
  print(values.format === 'json' ? `${JSON.stringify(report, undefined, 2)}\n` : describe(report));
  return report.findings.length === 0 ? 0 : 1;
};

function describe({ findings, checked, repaired = [], failed = [] }: Report): string {
  const counts = Object.entries(checked).map(([name, count]) => `${count} ${name}`);
  const result = findings.length === 0 ? 'all agree' : `${findings.length} ${plural(findings.length)}`;
  return [
    ...repaired.map(({ what }) => `repaired: ${what}\n`),
    ...failed.map(({ finding, error }) => `not repaired: ${finding.what}: ${error}\n`),
    ...findings.map(({ kind, what, mend }) => `${kind}: ${what}; mend: ${mend}\n`),
    `${counts.join(', ')} on the books: ${result}\n`,
  ].join('');
}

function plural(count: number): string {
  return count === 1 ? 'finding' : 'findings';
}
