/** `gantry driver why OBJECT`. */
import type { Run } from './command.ts';
import { type DriverRow, inFlightText, lastCallText, lastErrorText, stateText } from './driver-row.ts';

interface Why {
  readonly object: string;
  readonly title: string;
  readonly state: string;
  readonly drivers: readonly { point: string; name: string; for: string; driver?: DriverRow }[];
  readonly waiting: readonly { kind: string; what: string; reason?: string }[];
  readonly mends: readonly string[];
}

export const run: Run = async ({ client, operands: [object = ''], values, print }) => {
  const found = (await (await client()).get(`/gantry/why?object=${encodeURIComponent(object)}`)) as Why;
  print(values.format === 'json' ? `${JSON.stringify(found, undefined, 2)}\n` : describe(found));
  return 0;
};

function describe({ title, state, drivers, waiting, mends }: Why): string {
  const lines = [
    `${title}: ${state}`,
    '',
    'Depends on',
    ...(drivers.length === 0 ? ['  no driver'] : drivers.flatMap(driverLines)),
    '',
    'Waits for',
    ...(waiting.length === 0 ? ['  nothing'] : waiting.map(waitingLine)),
    '',
    'To mend it',
    ...(mends.length === 0
      ? ['  Nothing: all its drivers are ready and nothing is left over.']
      : mends.map(indent)),
  ];
  return `${lines.join('\n')}\n`;
}

function driverLines({ point, name, for: purpose, driver }: Why['drivers'][number]): readonly string[] {
  const title = `  ${point}/${name} (${purpose}): ${driver ? stateText(driver) : 'nobody has seen such a driver'}`;
  if (!driver) return [title];
  const { inFlight, lastCall, lastError } = driver;
  return [
    title,
    ...(inFlight.length > 0 ? [`      not answered: ${inFlightText(driver)}`] : []),
    ...(lastCall ? [`      last call: ${lastCallText(driver)}`] : []),
    ...(lastError ? [`      last error: ${lastErrorText(driver)}`] : []),
  ];
}

function waitingLine({ what, reason }: Why['waiting'][number]): string {
  return indent(reason ? `${what}; last try: ${reason}` : what);
}

function indent(text: string): string {
  return `  ${text}`;
}
