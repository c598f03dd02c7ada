/** One line a record on stderr: time, level, message, then the fields. */
import { isHostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { Logger } from '@gantry/plugin-sdk/extension-point.ts';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

export function createLogger(
  minimum: (typeof LEVELS)[number],
  write = (line: string) => void process.stderr.write(line),
): Logger {
  const at = (level: (typeof LEVELS)[number]) => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(minimum)) return () => {};
    return (fields: object, message: string) =>
      write(`${new Date().toISOString()} ${level.padEnd(5)} ${message}${formatFields(fields)}\n`);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

function formatFields(fields: object): string {
  return Object.entries(fields)
    .map(([key, value]) => ` ${key}=${formatValue(value)}`)
    .join('');
}

function formatValue(value: unknown): string {
  if (value instanceof Error) {
    const stack = isHostError(value) && value.kind !== 'Internal' ? '' : `\n${value.stack ?? ''}`;
    return `${JSON.stringify(messageChain(value))}${stack}`;
  }
  return typeof value === 'string' && /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value);
}
