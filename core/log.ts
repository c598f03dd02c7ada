/** One line a record on stderr: time, level, message and fields, as words or as JSON. */
import { isHostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { Logger } from '@gantry/plugin-sdk/extension-point.ts';

/** `fatal`: nothing but why the daemon ends, which does not go through here. */
const LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof LEVELS)[number];

export interface DaemonLogger extends Logger {
  /** The least that is written; a reload sets it. */
  level: LogLevel;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: 'text' | 'json';
}

export function createLogger(
  { level, format }: LogOptions,
  write = (line: string) => void process.stderr.write(line),
): DaemonLogger {
  const lineOf = format === 'json' ? jsonLine : textLine;
  const at = (own: LogLevel) => (fields: object, message: string) => {
    if (LEVELS.indexOf(own) < LEVELS.indexOf(logger.level)) return;
    write(`${lineOf(new Date().toISOString(), own, message, fields)}\n`);
  };
  const logger = { level, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  return logger;
}

type Line = (time: string, level: LogLevel, message: string, fields: object) => string;

const textLine: Line = (time, level, message, fields) => {
  const words = Object.entries(fields).map(([key, value]) => ` ${key}=${formatValue(value)}`);
  return `${time} ${level.padEnd(5)} ${message}${words.join('')}`;
};

function formatValue(value: unknown): string {
  if (value instanceof Error) {
    const stack = stackOf(value);
    return `${JSON.stringify(messageChain(value))}${stack && `\n${stack}`}`;
  }
  return typeof value === 'string' && /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value);
}

/** With Docker's names for the first three, so that one parser reads both daemons. */
const jsonLine: Line = (time, level, message, fields) =>
  JSON.stringify({ level, msg: message, time, ...fields }, (_, value: unknown) => {
    if (!(value instanceof Error)) return value;
    const stack = stackOf(value);
    const code = isHostError(value) && { code: value.code };
    return { message: messageChain(value), ...code, ...(stack && { stack }) };
  });

/** Only of our own faults: the others are told by their message. */
function stackOf(error: Error): string {
  return isHostError(error) && error.kind !== 'Internal' ? '' : (error.stack ?? '');
}
