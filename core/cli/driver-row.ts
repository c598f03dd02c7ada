/** A driver as the daemon's API shows it, and lines about it that several commands print. */
import { age } from './age.ts';

export interface DriverRow {
  readonly point: string;
  readonly name: string;
  readonly carrier: string;
  readonly address: string;
  readonly state: string;
  readonly reason: string;
  readonly since: string;
  readonly enabled: boolean;
  readonly inFlight: readonly { readonly method: string; readonly at: string }[];
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
  return inFlight.map(({ method, at }) => `${method}, sent ${age(at)} ago`).join('; ') || 'none';
}

export function stateText({ state, since, reason }: DriverRow): string {
  return `${state} for ${age(since)}${reason ? `: ${reason}` : ''}`;
}
