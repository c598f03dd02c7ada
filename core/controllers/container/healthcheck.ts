/** What a health check is: an image's and a container's settings, and what its results make of a container. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { ContainerHealth, ContainerRecord, ProbeResult } from '../../store/record-types.ts';

/** As clients and images say it; times in nanoseconds, 0 for the default. */
export interface HealthcheckBody {
  readonly Test?: readonly string[] | null;
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

export interface Healthcheck {
  readonly args: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** After the start, while failures do not count. */
  readonly startPeriodMs: number;
  /** Takes the interval's place during the start period, until it is healthy. */
  readonly startIntervalMs: number;
  /** Failures in a row that make it unhealthy. */
  readonly retries: number;
}

const TIMES = ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const;
const LEAST_NS = 1_000_000;
const MAX_RESULTS = 5;

/** What the user leaves out is the image's. Errors: InvalidArgument, in Docker's words. */
export function mergeHealthcheck(
  given: HealthcheckBody | null | undefined,
  image: unknown,
): HealthcheckBody | undefined {
  const base = image as HealthcheckBody | null | undefined;
  if (!given) return base ?? undefined;
  checkHealthcheck(given);
  if (!base) return given;
  const merged: Record<string, unknown> = { ...given };
  if (!given.Test?.length) merged.Test = base.Test;
  for (const key of [...TIMES, 'Retries'] as const) {
    if (!given[key] && base[key]) merged[key] = base[key];
  }
  return merged;
}

function checkHealthcheck(given: HealthcheckBody): void {
  for (const key of TIMES) {
    const value = given[key] ?? 0;
    if (value !== 0 && value < LEAST_NS) throw invalid(`${key} in Healthcheck cannot be less than 1ms`);
  }
  if ((given.Retries ?? 0) < 0) throw invalid('Retries in Healthcheck cannot be negative');
}

/** The container's check; undefined when it has none. */
export function healthcheckOf({ config }: Pick<ContainerRecord, 'config'>): Healthcheck | undefined {
  const { Test, ...body } = (config.Healthcheck as HealthcheckBody | null | undefined) ?? {};
  const args = argsOf(Test ?? [], config.Shell as readonly string[] | null | undefined);
  if (!args) return undefined;
  const ms = (nanoseconds: number | undefined, otherwise: number) =>
    nanoseconds ? nanoseconds / 1_000_000 : otherwise;
  return {
    args,
    intervalMs: ms(body.Interval, 30_000),
    timeoutMs: ms(body.Timeout, 30_000),
    startPeriodMs: ms(body.StartPeriod, 0),
    startIntervalMs: ms(body.StartInterval, 5_000),
    retries: body.Retries || 3,
  };
}

function argsOf(
  [form, ...words]: readonly string[],
  shell: readonly string[] | null | undefined,
): readonly string[] | undefined {
  if (form === 'CMD') return words;
  if (form === 'CMD-SHELL') return [...(shell?.length ? shell : ['/bin/sh', '-c']), ...words];
  return undefined;
}

/** At a start: what was found before stays in the log only. */
export function startingHealth(last: ContainerHealth | undefined): ContainerHealth {
  return { status: 'starting', failingStreak: 0, log: last?.log ?? [] };
}

/** With one more result. `startedMs`: how long the container ran when the probe began. */
export function withResult(
  { status, failingStreak, log }: ContainerHealth,
  result: ProbeResult,
  { retries, startPeriodMs }: Pick<Healthcheck, 'retries' | 'startPeriodMs'>,
  startedMs: number,
): ContainerHealth {
  const results = [...log, result].slice(-MAX_RESULTS);
  if (result.exitCode === 0) return { status: 'healthy', failingStreak: 0, log: results };
  const counts = status !== 'starting' || startedMs >= startPeriodMs;
  const streak = failingStreak + (counts ? 1 : 0);
  const failed = counts && streak >= retries;
  return { status: failed ? 'unhealthy' : status, failingStreak: streak, log: results };
}

/** Milliseconds to the next probe. */
export function pauseBefore(check: Healthcheck, { status }: ContainerHealth, startedMs: number): number {
  const isStarting = status === 'starting' && startedMs < check.startPeriodMs;
  return isStarting ? check.startIntervalMs : check.intervalMs;
}

function invalid(message: string): HostError {
  return new HostError('InvalidArgument', 'INVALID_HEALTHCHECK', message);
}
