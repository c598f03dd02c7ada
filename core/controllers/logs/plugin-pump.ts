/** A pump to a log plugin, which goes on where the one before it stopped. */
import { type LogInfo, logPoint } from '@gantry/plugin-sdk/contracts/log.ts';
import type { DeliveryParts } from './delivery.ts';
import { FifoSink } from './fifo-sink.ts';
import { LogPump, stateFileIn } from './pump.ts';
import { readLogState } from './state-file.ts';

export interface PumpLimits {
  readonly keptBytes: number;
  readonly maxLagBytes: number | undefined;
}

export function pluginPump(
  { drivers, identity, fifoDir, log }: DeliveryParts,
  plugin: string,
  info: LogInfo,
  dir: string,
  limits: PumpLimits,
): LogPump {
  const state = readLogState(stateFileIn(dir));
  // The same plugin reads what is left in the FIFO of the daemon before to its end; another one never will.
  const isSame = state.plugin !== undefined && state.plugin === identity(plugin);
  const from = (isSame && state.written) || state.taken;
  const driver = {
    driver: (call: { signal: AbortSignal }) => drivers.driver(logPoint, plugin, call),
    identity: () => identity(plugin),
  };
  const sink = new FifoSink(driver, info, fifoDir, from);
  return new LogPump({ id: info.containerId, dir, state: { ...state, taken: from }, sink, ...limits, log });
}
