/** A driver as the daemon's API shows it, and lines about it that several commands print. */
import { age } from './age.ts';

export interface DriverRow {
  readonly point: string;
  readonly name: string;
  /** As the driver says it. */
  readonly version?: string;
  readonly carrier: string;
  readonly address: string;
  readonly state: string;
  readonly reason: string;
  readonly since: string;
  readonly enabled: boolean;
  readonly inFlight: readonly {
    readonly method: string;
    readonly at: string;
    readonly progress?: { readonly text?: string; readonly done?: number; readonly total?: number };
  }[];
  readonly calls: number;
  readonly failures: number;
  readonly breaker?: string;
  readonly lastCall?: { readonly method: string; readonly at: string; readonly ms: number };
  readonly lastError?: {
    readonly method: string;
    readonly at: string;
    readonly code: string;
    readonly text: string;
  };
}

export function lastCallText({ lastCall }: DriverRow): string {
  return lastCall ? `${lastCall.method} ${age(lastCall.at)} ago, ${lastCall.ms.toFixed(1)} ms` : 'none';
}

export function lastErrorText({ lastError }: DriverRow): string {
  return lastError ? `${lastError.method} ${age(lastError.at)} ago: ${lastError.text}` : 'none';
}

export function inFlightText({ inFlight }: DriverRow): string {
  const calls = inFlight.map((call) => `${call.method}, sent ${age(call.at)} ago${progressText(call)}`);
  return calls.join('; ') || 'none';
}

function progressText({ progress = {} }: DriverRow['inFlight'][number]): string {
  const { text, done, total } = progress;
  const count = done === undefined ? undefined : `${done}${total === undefined ? '' : ` of ${total}`}`;
  const known = [text, count].filter((part) => part !== undefined).join(', ');
  return known && ` (${known})`;
}

export function stateText({ state, since, reason }: DriverRow): string {
  return `${state} for ${age(since)}${reason ? `: ${reason}` : ''}`;
}
