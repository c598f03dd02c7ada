/** `gantry driver inspect NAME`. */
import type { Run } from './command.ts';
import { type DriverRow, inFlightText, lastCallText, lastErrorText, stateText } from './driver-row.ts';
import { table } from './table.ts';

interface Details extends DriverRow {
  readonly methods: readonly { name: string; calls: number; failures: number; meanMs: number }[];
  readonly manifest?: Readonly<Record<string, unknown>>;
  readonly capabilities?: Readonly<Record<string, unknown>>;
}

export const run: Run = async ({ client, operands: [name = ''], values, print }) => {
  const path = `/gantry/drivers/${name.split('/').map(encodeURIComponent).join('/')}`;
  const { drivers } = (await (await client()).get(path)) as { drivers: readonly Details[] };
  if (values.format === 'json') print(`${JSON.stringify(drivers, undefined, 2)}\n`);
  else print(drivers.map(describe).join('\n'));
  return 0;
};

function describe(details: Details): string {
  const {
    point,
    name,
    version,
    carrier,
    address,
    enabled,
    breaker,
    calls,
    failures,
    capabilities,
    manifest,
  } = details;
  const facts: readonly (readonly [string, string])[] = [
    ['point', point || 'not known: it has not been used yet'],
    ['name', name],
    ['carrier', carrier],
    ['address', address || '-'],
    ...(version ? [['version', version] as const] : []),
    ['enabled', enabled ? 'yes' : 'no'],
    ['state', stateText(details)],
    ['breaker', breaker ?? (carrier === 'in-process' ? 'none' : 'not used yet')],
    ['calls', `${calls}, ${failures} failed`],
    ['not answered', inFlightText(details)],
    ['last call', lastCallText(details)],
    ['last error', lastErrorText(details)],
    ['capabilities', capabilities ? JSON.stringify(capabilities) : 'not known'],
    ...(manifest ? [['manifest', JSON.stringify(manifest)] as const] : []),
  ];
  const width = Math.max(...facts.map(([key]) => key.length)) + 2;
  return `${facts.map(([key, text]) => `${key.padEnd(width)}${text}\n`).join('')}${methodTable(details)}`;
}

function methodTable({ methods }: Details): string {
  if (methods.length === 0) return '';
  const rows = methods.map(({ name, calls, failures, meanMs }) => [
    name,
    String(calls),
    String(failures),
    meanMs.toFixed(2),
  ]);
  return `\n${table(['METHOD', 'CALLS', 'FAILED', 'MEAN-MS'], rows)}`;
}
