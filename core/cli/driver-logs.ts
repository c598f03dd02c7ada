/** `gantry driver logs NAME`. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { Run } from './command.ts';

interface Line {
  readonly time: string;
  readonly level: string;
  readonly message: string;
  readonly method?: string;
  readonly code?: string;
  readonly fields?: Readonly<Record<string, unknown>>;
}

export const run: Run = async ({ client, operands: [name = ''], values, print }) => {
  const query = new URLSearchParams();
  if (values.follow) query.set('follow', '1');
  if (typeof values.tail === 'string') query.set('tail', tailOf(values.tail));
  if (typeof values.since === 'string') query.set('since', sinceOf(values.since, Date.now()));
  const path = `/gantry/driver-logs/${name.split('/').map(encodeURIComponent).join('/')}?${query}`;
  for await (const line of (await client()).lines(path)) {
    print(values.format === 'json' ? `${line}\n` : `${textOf(JSON.parse(line) as Line)}\n`);
  }
  return 0;
};

function textOf({ time, level, message, method, code, fields = {} }: Line): string {
  const rest = Object.entries(fields).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`);
  const what = method === undefined ? message : `${method} failed: ${message} [${code}]`;
  return `${time} ${level.padEnd(5)} ${what}${rest.join('')}`;
}

function tailOf(text: string): string {
  if (/^(\d+|all)$/.test(text)) return text;
  throw usage(`--tail can be a number of lines or "all", not "${text}"`);
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** `10m`, `1h30m`, a date, or seconds since 1970; answers the last. */
export function sinceOf(text: string, nowMs: number): string {
  if (/^\d+(\.\d+)?$/.test(text)) return text;
  if (/^(\d+[smhd])+$/.test(text)) {
    const parts = [...text.matchAll(/(\d+)([smhd])/g)];
    const seconds = parts.reduce((sum, [, count, unit = '']) => sum + Number(count) * (UNITS[unit] ?? 0), 0);
    return String(nowMs / 1000 - seconds);
  }
  const date = Date.parse(text);
  if (Number.isNaN(date))
    throw usage(`--since can be like 10m, 1h30m or 2026-01-02T03:04:05Z, not "${text}"`);
  return String(date / 1000);
}

function usage(what: string): HostError {
  return new HostError('InvalidArgument', 'USAGE', `driver logs: ${what}`, {
    hint: 'see gantry driver logs --help',
  });
}
