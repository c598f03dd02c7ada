/** What would mend a driver, or an object that waits: one imperative sentence each. */
import type { DriverRow } from '../../host/driver-record.ts';
import type { Needed, Waiting } from '../why.ts';

/** A call that is older is worth a word. */
const SLOW_MS = 1_000;

export function mendsOf(
  object: string,
  drivers: readonly Needed[],
  waiting: readonly Waiting[],
): readonly string[] {
  const ofDrivers = drivers.flatMap(({ point, name, row }) => mendOfDriver(point, name, row) ?? []);
  return [...new Set([...ofDrivers, ...mendsOfWaiting(object, waiting, ofDrivers.length > 0)])];
}

function mendOfDriver(point: string, name: string, row: DriverRow | undefined): string | undefined {
  const driver = `${point} driver "${name}"`;
  if (row === undefined) {
    return `Install ${driver}: "gantry driver install ${name}", or start a plugin of that name.`;
  }
  if (!row.enabled) return `Enable ${driver}.`;
  const { state, reason, address, carrier, inFlight } = row;
  const slow = inFlight.find(({ at }) => Date.now() - at > SLOW_MS);
  if (slow !== undefined && carrier !== 'in-process') {
    return `Restart the plugin "${name}" if it hangs: it has not answered ${slow.method} yet.`;
  }
  if (state === 'ready' || (state === 'declared' && address !== '')) return undefined;
  if (carrier === 'in-process') return `Make ${driver} able to start (${reason}), then restart gantryd.`;
  const at = address === '' ? '' : ` at ${address}`;
  if (state === 'declared' || state === 'stopped') {
    return `Start the plugin "${name}"${at}: what waits for it goes on by itself.`;
  }
  if (state === 'starting') return `Wait until the plugin "${name}"${at} has answered its activation.`;
  return `Restart the plugin "${name}"${at} and look at its own log: ${row.lastError?.text ?? reason}.`;
}

function mendsOfWaiting(object: string, waiting: readonly Waiting[], known: boolean): readonly string[] {
  const kinds = new Set(waiting.map(({ kind }) => kind));
  if (kinds.has('key')) {
    return [
      `Wait: the operation on ${object} ends at its driver's deadline, or restart the driver that hangs.`,
    ];
  }
  if (kinds.size === 0 || known) return [];
  return ['Settle what is left over: "gantry fsck --repair".'];
}
