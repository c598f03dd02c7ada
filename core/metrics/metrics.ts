/**
 * What Prometheus may know, under Docker's names and for each driver. Made only when `--metrics-addr` asks for it: the
 * library is loaded then, and nothing is counted otherwise.
 */
import type { Counter, Histogram, Registry } from 'prom-client';
import type { Row } from '../api/route.ts';
import type { Engine } from '../engine.ts';
import { LATENCY_BOUNDS_MS } from '../host/driver-record.ts';
import type { CallTrace } from '../host/pipeline.ts';
import { describeDrivers } from './driver-metrics.ts';
import { describeEngine } from './engine-metrics.ts';

export type Prometheus = typeof import('prom-client');

/** Row → Docker's word for the action. */
const ACTIONS: Readonly<Record<string, string>> = {
  'container.create': 'create',
  'container.start': 'start',
  'container.remove': 'delete',
  'container.changes': 'changes',
  'container.commit': 'commit',
};

export class Metrics {
  readonly #prometheus: Prometheus;
  readonly #registry: Registry;
  readonly #actions: Histogram;
  readonly #calls: Counter;
  readonly #callSeconds: Histogram;

  static async load(): Promise<Metrics> {
    return new Metrics(await import('prom-client'));
  }

  private constructor(prometheus: Prometheus) {
    this.#prometheus = prometheus;
    const registry = new prometheus.Registry();
    this.#registry = registry;
    prometheus.collectDefaultMetrics({ register: registry });
    this.#actions = new prometheus.Histogram({
      name: 'engine_daemon_container_actions_seconds',
      help: 'The number of seconds it takes to process each container action',
      labelNames: ['action'],
      registers: [registry],
    });
    for (const action of new Set(Object.values(ACTIONS))) this.#actions.zero({ action });
    this.#calls = new prometheus.Counter({
      name: 'gantry_driver_calls_total',
      help: 'Calls to a driver by their outcome: ok, canceled (the caller left) or error',
      labelNames: ['driver', 'point', 'method', 'outcome'],
      registers: [registry],
    });
    this.#callSeconds = new prometheus.Histogram({
      name: 'gantry_driver_call_seconds',
      help: 'How long the calls to a driver took',
      labelNames: ['driver', 'point', 'method'],
      buckets: LATENCY_BOUNDS_MS.map((ms) => ms / 1_000),
      registers: [registry],
    });
  }

  /** For the driver host: one finished call. */
  readonly driverCall = ({ point, driver, method, ms, code }: CallTrace): void => {
    const outcome = code === undefined ? 'ok' : code === 'CANCELED' ? 'canceled' : 'error';
    this.#calls.inc({ driver, point, method, outcome });
    this.#callSeconds.observe({ driver, point, method }, ms / 1_000);
  };

  /** The rows of the API, with those that are Docker's container actions timed when they succeed. */
  timed(rows: readonly Row[]): readonly Row[] {
    return rows.map((row) => {
      const action = ACTIONS[row.name];
      if (action === undefined) return row;
      const handler: Row['handler'] = async (call) => {
        const end = this.#actions.startTimer({ action });
        const answer = await row.handler(call);
        end();
        return answer;
      };
      return { ...row, handler };
    });
  }

  /** What is looked up when somebody asks. */
  describe(engine: Engine): void {
    describeEngine(this.#prometheus, this.#registry, engine);
    describeDrivers(this.#prometheus, this.#registry, engine.host);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All of it in Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
