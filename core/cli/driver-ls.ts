/** `gantry driver ls`. */
import { age } from './age.ts';
import type { Run } from './command.ts';
import type { DriverRow } from './driver-row.ts';
import { short, table } from './table.ts';

const HEAD = ['POINT', 'NAME', 'CARRIER', 'STATE', 'SINCE', 'CALLS', 'LAST-ERROR'];
const ERROR_WIDTH = 70;

export const run: Run = async ({ client, values, print }) => {
  const { drivers } = (await (await client()).get('/gantry/drivers')) as { drivers: readonly DriverRow[] };
  if (values.format === 'json') print(`${JSON.stringify(drivers, undefined, 2)}\n`);
  else print(table(HEAD, drivers.map(cells)));
  return 0;
};

function cells(row: DriverRow): readonly string[] {
  const { point, name, carrier, state, since, calls, failures, lastError } = row;
  return [
    point || '-',
    name,
    carrier,
    state,
    age(since),
    failures > 0 ? `${calls} (${failures} failed)` : String(calls),
    lastError ? short(`${age(lastError.at)} ago: ${lastError.text}`, ERROR_WIDTH) : '-',
  ];
}
