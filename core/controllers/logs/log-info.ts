/** A container as log drivers are told of it. */
import path from 'node:path';
import type { LogInfo } from '@gantry/plugin-sdk/contracts/log.ts';
import { detailsText, logAttributes } from '@gantry/plugin-sdk/logs/attributes.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import { driverOptions, logConfigOf } from './log-config.ts';

const DAEMON_NAME = 'gantry';

/** `dir`: the container's; '' for drivers outside the daemon, which get every option that was given. */
export function logInfoOf(record: ContainerRecord, dir: string): LogInfo {
  const { id, process, config } = record;
  const [entrypoint = '', ...args] = process.args;
  const log = logConfigOf(record);
  return {
    options: dir === '' ? log.Config : driverOptions(log),
    containerId: id,
    containerName: `/${record.name}`,
    entrypoint,
    args,
    imageId: record.imageId,
    imageName: record.imageName,
    createdAt: record.createdAt,
    env: process.env,
    labels: (config.Labels ?? {}) as Readonly<Record<string, string>>,
    logPath: dir === '' ? '' : logPathIn(dir, id),
    daemonName: DAEMON_NAME,
  };
}

/** Docker's name for the file of `json-file`. */
export function logPathIn(dir: string, id: string): string {
  return path.join(dir, `${id}-json.log`);
}

/** What `docker logs --details` shows before each line: the labels and variables that the log's options name. */
export function logDetails(record: ContainerRecord): string {
  try {
    return detailsText(logAttributes(logInfoOf(record, '')));
  } catch {
    return ''; // a tag that cannot be read, of a driver that does not look at it
  }
}
