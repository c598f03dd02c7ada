/** The daemon as Docker's metrics name it. */
import os from 'node:os';
import type { Registry } from 'prom-client';
import type { Engine } from '../engine.ts';
import type { Prometheus } from './metrics.ts';

export function describeEngine({ Counter, Gauge }: Prometheus, registry: Registry, engine: Engine): void {
  const registers = [registry];
  const info = {
    version: engine.version,
    commit: '',
    architecture: os.machine(),
    graphdriver: engine.defaults.snapshot,
    kernel: os.release(),
    os: engine.operatingSystem,
    os_type: 'linux',
    os_version: '',
    daemon_id: engine.id,
  };
  new Gauge({
    name: 'engine_daemon_engine_info',
    help: 'The information related to the engine and the OS it is running on',
    labelNames: Object.keys(info),
    registers,
  }).set(info, 1);
  new Gauge({
    name: 'engine_daemon_engine_cpus_cpus',
    help: 'The number of cpus that the host system of the engine has',
    registers,
  }).set(os.availableParallelism());
  new Gauge({
    name: 'engine_daemon_engine_memory_bytes',
    help: 'The number of bytes of memory that the host system of the engine has',
    registers,
  }).set(os.totalmem());
  new Gauge({
    name: 'engine_daemon_container_states_containers',
    help: 'The count of containers in various states',
    labelNames: ['state'],
    registers,
    collect() {
      for (const [state, count] of Object.entries(containerStates(engine))) this.set({ state }, count);
    },
  });
  const probes = (name: string, help: string, count: () => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(count());
      },
    });
  const { containers } = engine;
  probes(
    'engine_daemon_health_checks_total',
    'The total number of health checks',
    () => containers.probeCounts.probes,
  );
  probes(
    'engine_daemon_health_checks_failed_total',
    'The total number of failed health checks',
    () => containers.probeCounts.failures,
  );
  const events = new Counter({
    name: 'engine_daemon_events_total',
    help: 'The number of events logged',
    registers,
  });
  engine.events.listen(() => events.inc());
  new Gauge({
    name: 'engine_daemon_events_subscribers_total',
    help: 'The number of current subscribers to events',
    registers,
    collect() {
      // One of them is the counter above.
      this.set(engine.events.listeners - 1);
    },
  });
}

function containerStates({ containers }: Engine): Readonly<Record<'running' | 'paused' | 'stopped', number>> {
  const states = { running: 0, paused: 0, stopped: 0 };
  for (const { state } of containers.all()) {
    if (state.paused) states.paused++;
    else if (state.status === 'running') states.running++;
    else states.stopped++;
  }
  return states;
}
