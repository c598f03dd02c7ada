/** The whole route table. */
import type { Engine } from '../../engine.ts';
import type { Row } from '../route.ts';
import { absentRows } from './absent.ts';
import { archiveRows } from './archive.ts';
import { attachRows } from './attach.ts';
import { buildRows } from './build.ts';
import { containerRows } from './containers.ts';
import { diskUsageRows } from './disk-usage.ts';
import { eventRows } from './events.ts';
import { execRows } from './exec.ts';
import { gantryRows } from './gantry.ts';
import { imageTransferRows } from './image-transfer.ts';
import { imageRows } from './images.ts';
import { logRows } from './logs.ts';
import { networkRows } from './networks.ts';
import { registryRows } from './registries.ts';
import { systemRows } from './system.ts';
import { usageRows } from './usage.ts';
import { volumeRows } from './volumes.ts';

export function routeTable(engine: Engine): readonly Row[] {
  const rows = [
    ...systemRows(engine),
    ...eventRows(engine),
    ...containerRows(engine),
    ...attachRows(engine),
    ...usageRows(engine),
    ...archiveRows(engine),
    ...diskUsageRows(engine),
    ...logRows(engine),
    ...execRows(engine),
    ...imageRows(engine),
    ...imageTransferRows(engine),
    ...registryRows(engine),
    ...volumeRows(engine),
    ...networkRows(engine),
    ...buildRows,
    ...gantryRows(engine),
  ];
  return [...rows, ...absentRows(rows)];
}
