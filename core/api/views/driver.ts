/** A driver as `/gantry/…` shows it. Times are RFC 3339, durations milliseconds. */
import type { DriverLine, LostLines } from '../../host/driver-log.ts';
import type { DriverRow } from '../../host/driver-record.ts';

export function driverView(row: DriverRow): object {
  const { methods, since, inFlight, lastCall, lastError, ...rest } = row;
  return {
    ...rest,
    since: time(since),
    inFlight: inFlight.map(({ at, ...sent }) => ({ ...sent, at: time(at) })),
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

export function driverLineView(line: DriverLine | LostLines): object {
  if (!('lost' in line)) return { ...line, at: undefined, time: time(line.at) };
  const { lost } = line;
  const message = `${lost} lines lost: they came faster than they were read`;
  return { time: time(Date.now()), level: 'warn', message, lost };
}

function time(at: number): string {
  return new Date(at).toISOString();
}
