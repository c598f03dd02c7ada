/** Tries again what may go better next time: a registry that is away or busy, a connection that broke. */
import { setTimeout as delay } from 'node:timers/promises';
import { isKind } from '@gantry/plugin-sdk/errors.ts';

export interface RetryRules {
  readonly attempts: number;
  readonly backoffMs: number;
  readonly signal: AbortSignal;
}

/** A registry that wants a longer pause than this is told about instead. */
const LONGEST_MS = 60_000;

export async function withRetries<T>(rules: RetryRules, work: (attempt: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt);
    } catch (error) {
      const pauseMs = pauseBefore(error, attempt, rules.backoffMs);
      if (attempt >= rules.attempts || pauseMs === undefined || rules.signal.aborted) throw error;
      await delay(pauseMs, undefined, { signal: rules.signal });
    }
  }
}

/** Undefined when trying again is of no use. */
export function pauseBefore(error: unknown, attempt: number, backoffMs: number): number | undefined {
  if (!isKind(error, 'Unavailable', 'ResourceExhausted') || error.code === 'DISK_FULL') return undefined;
  const { retryAfterMs, isForGood } = error.details;
  if (isForGood === true) return undefined;
  const wanted = typeof retryAfterMs === 'number' ? retryAfterMs : backoffMs * 2 ** (attempt - 1);
  // Not all at the same moment.
  const pauseMs = wanted * (1 + Math.random() / 4);
  return pauseMs > LONGEST_MS * 1.25 ? undefined : pauseMs;
}
