/** Drivers as they stand when somebody asks. Their calls are counted as they end. */
import type { Registry } from 'prom-client';
import type { DriverHost } from '../host/driver-host.ts';
import type { Prometheus } from './metrics.ts';

export function describeDrivers({ Gauge }: Prometheus, registry: Registry, host: DriverHost): void {
  const registers = [registry];
  new Gauge({
    name: 'gantry_driver_state',
    help: '1 for the state that the driver is in',
    labelNames: ['driver', 'point', 'state'],
    registers,
    collect() {
      this.reset();
      for (const { name, point, state } of host.list()) this.set({ driver: name, point, state }, 1);
    },
  });
  new Gauge({
    name: 'gantry_driver_in_flight',
    help: 'Calls that the driver has not answered yet',
    labelNames: ['driver', 'point'],
    registers,
    collect() {
      this.reset();
      for (const { name, point, inFlight } of host.list()) this.set({ driver: name, point }, inFlight.length);
    },
  });
}
