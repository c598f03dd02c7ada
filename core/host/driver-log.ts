/**
 * The last lines of one driver: what it says itself, the calls that failed, and its changes of state. Kept in memory, so
 * bounded, and gone with the daemon.
 */
import type { Logger } from '@gantry/plugin-sdk/extension-point.ts';

const MOST_LINES = 1000;
/** Of all lines together, as JSON. */
const MOST_CHARACTERS = 512 * 1024;
/** Of one line's message, and of its fields. */
const LONGEST = 4096;

export type LogLevel = keyof Logger;

export interface DriverLine {
  /** Unix time in milliseconds. */
  readonly at: number;
  readonly level: LogLevel;
  readonly message: string;
  /** Of a call that failed. */
  readonly method?: string;
  readonly code?: string;
  readonly fields?: object;
}

export interface LineQuery {
  /** So many of the last lines; all when absent. */
  readonly tail?: number | undefined;
  /** Only lines of this Unix time in milliseconds or later. */
  readonly since?: number | undefined;
  readonly follow?: boolean | undefined;
}

/** Lines that a follower was too slow for. */
export interface LostLines {
  readonly lost: number;
}

interface Kept {
  readonly line: DriverLine;
  readonly size: number;
}

export class DriverLog {
  readonly #kept: Kept[] = [];
  #size = 0;
  /** Number of the oldest line kept; the first ever was 0. */
  #first = 0;
  #grown = Promise.withResolvers<void>();

  /** Message of the newest line. */
  get last(): string | undefined {
    return this.#kept.at(-1)?.line.message;
  }

  add(line: Omit<DriverLine, 'at'>): void {
    const kept = keep({ at: Date.now(), ...line });
    this.#kept.push(kept);
    this.#size += kept.size;
    while (this.#kept.length > MOST_LINES || this.#size > MOST_CHARACTERS) {
      this.#size -= this.#kept.shift()?.size ?? 0;
      this.#first++;
    }
    this.#wake();
  }

  /** To the end, or until the signal aborts. A reader holds nothing: one slower than the log is told what it lost. */
  async *read(
    { tail, since = 0, follow }: LineQuery,
    signal: AbortSignal,
  ): AsyncGenerator<DriverLine | LostLines> {
    const wake = (): void => this.#wake();
    signal.addEventListener('abort', wake, { once: true });
    try {
      let next = this.#start(tail, since);
      while (!signal.aborted) {
        if (next < this.#first) {
          yield { lost: this.#first - next };
          next = this.#first;
        }
        const line = this.#kept[next - this.#first]?.line;
        if (line !== undefined) {
          next++;
          yield line;
        } else if (follow) await this.#grown.promise;
        else return;
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  #wake(): void {
    this.#grown.resolve();
    this.#grown = Promise.withResolvers();
  }

  #start(tail: number | undefined, since: number): number {
    const recent = this.#kept.findIndex(({ line }) => line.at >= since);
    const count = recent === -1 ? 0 : this.#kept.length - recent;
    return this.#first + this.#kept.length - Math.min(count, tail ?? count);
  }
}

/** Writes to both. */
export function loggingTo(log: DriverLog, other: Logger): Logger {
  const at = (level: LogLevel) => (fields: object, message: string) => {
    log.add({ level, message, ...(Object.keys(fields).length > 0 && { fields }) });
    other[level](fields, message);
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** As text and back, so that nothing of the driver's own is held on to; what is too long, or no JSON, is left out. */
function keep({ fields, message, ...rest }: DriverLine): Kept {
  const text = message.length > LONGEST ? `${message.slice(0, LONGEST)}…` : message;
  const json = fields === undefined ? undefined : jsonOf(fields);
  const line = { ...rest, message: text, ...(json !== undefined && { fields: JSON.parse(json) as object }) };
  return { line, size: text.length + (json?.length ?? 0) + 100 };
}

function jsonOf(fields: object): string | undefined {
  try {
    const json = JSON.stringify(fields, (_key, value: unknown) =>
      value instanceof Error ? value.message : value,
    );
    return json.length > LONGEST ? undefined : json;
  } catch {
    return undefined;
  }
}
