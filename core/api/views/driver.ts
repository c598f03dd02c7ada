/** A driver as `/gantry/…` shows it. Times are RFC 3339, durations milliseconds. */
import type { DriverRow } from '../../host/driver-record.ts';

export function driverView(row: DriverRow): object {
  const { methods, since, inFlight, lastCall, lastError, ...rest } = row;
  return {
    ...rest,
    since: time(since),
    inFlight: inFlight.map(({ method, at }) => ({ method, at: time(at) })),
    ...(lastCall && { lastCall: { ...lastCall, at: time(lastCall.at) } }),
    ...(lastError && { lastError: { ...lastError, at: time(lastError.at) } }),
  };
}

/** With what each method did. */
export function driverDetails(row: DriverRow): object {
  const methods = [...row.methods].map(([name, { calls, failures, totalMs }]) => ({
    name,
    calls,
    failures,
    meanMs: calls === 0 ? 0 : totalMs / calls,
  }));
  return { ...driverView(row), methods };
}

function time(at: number): string {
  return new Date(at).toISOString();
}
