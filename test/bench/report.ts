/** docs/performance.md, from a run of the bench. */
import os from 'node:os';
import { median, type Verdict } from './measure.ts';

export function report(verdicts: readonly Verdict[], notes: readonly string[]): string {
  const rows = verdicts.map(({ name, ratio, limit, unit, gantry, docker, met }) => {
    const absolute = docker.length === 0;
    const cells = [
      name,
      `${median(gantry).toFixed(2)} ${unit}`,
      absolute ? '' : `${median(docker).toFixed(2)} ${unit}`,
      absolute ? '' : ratio.toFixed(2),
      absolute ? `${limit} ms` : limit.toFixed(2),
      met ? 'yes' : '**no**',
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return `# Performance

Made by \`npm run bench -- --write\`; do not edit. Medians; the ratio is the median of the ratios pair by pair, Gantry's
figure over Docker's, both measured in turn in one run on one machine (${os.availableParallelism()} processors,
Linux ${os.release()}), with plugin, client and engine in processes of their own.

| work | Gantry | Docker Engine | ratio | limit | met |
|---|---|---|---|---|---|
${rows.join('\n')}

${notes.map((note) => `- ${note}`).join('\n')}
`;
}
