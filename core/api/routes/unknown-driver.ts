import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { DriverRow } from '../../host/driver-record.ts';
import { nearNames } from '../../host/near-names.ts';

/** For what asks for a driver by the name that a person gave. */
export function unknownDriver(rows: readonly DriverRow[], wanted: string): HostError {
  const near = nearNames(wanted, [
    ...rows.map(({ name }) => name),
    ...rows.map((row) => `${row.point}/${row.name}`),
  ]);
  const meant = near.length === 0 ? '' : `: did you mean ${near.map((name) => `"${name}"`).join(' or ')}?`;
  return new HostError('NotFound', 'DRIVER_UNKNOWN', `no driver "${wanted}"${meant}`, {
    hint: 'see what there is with: gantry driver ls',
    details: { near },
  });
}
