/** What `docker logs --details` shows before each line: the labels and variables that the log's options name. */
import type { ContainerRecord } from '../../store/record-types.ts';
import { logConfigOf } from './log-config.ts';

/** `NAME=value,NAME=value`, escaped as Docker does; empty when the options name none. */
export function logDetails(record: ContainerRecord): string {
  const { labels, env } = logConfigOf(record).Config;
  const variables = record.process.env.map((entry) => entry.split(/=(.*)/s));
  return [...pick(labels, Object.entries(record.config.Labels ?? {})), ...pick(env, variables)]
    .sort()
    .join(',');
}

function pick(names: string | undefined, pairs: readonly (readonly string[])[]): readonly string[] {
  const wanted = names?.split(',') ?? [];
  return pairs
    .filter(([name = '']) => wanted.includes(name))
    .map(([name = '', value = '']) => `${escaped(name)}=${escaped(value)}`);
}

function escaped(text: string): string {
  return encodeURIComponent(text).replaceAll('%20', '+');
}
