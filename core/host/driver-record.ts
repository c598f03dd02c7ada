/**
 * What the host knows of one driver and shows in `gantry driver ls`: its observed state with reason and time, whether
 * the operator wants it (a field apart), and what its calls did.
 */
import { type HostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { CallProgress } from '@gantry/plugin-sdk/extension-point.ts';
import { type BreakerState, countsAsBroken } from './breaker.ts';
import { DriverLog } from './driver-log.ts';

export type DriverState =
  | 'declared'
  | 'starting'
  | 'ready'
  | 'degraded'
  | 'crash-loop'
  | 'stopping'
  | 'stopped'
  | 'skipped'
  | 'failed';

export type CarrierKind = 'in-process' | 'docker-http' | 'json-rpc';

/** Upper bounds in milliseconds of the buckets of `MethodCounts.buckets`; the last bucket has no bound. */
export const LATENCY_BOUNDS_MS = [0.1, 1, 5, 25, 100, 500, 2500, 10_000] as const;

export interface MethodCounts {
  calls: number;
  failures: number;
  totalMs: number;
  readonly buckets: number[];
}

export interface LastCall {
  readonly method: string;
  /** Unix time in milliseconds at which it ended. */
  readonly at: number;
  readonly ms: number;
}

export interface SentCall {
  readonly method: string;
  readonly at: number;
  /** What the driver said last of how far it is. */
  readonly progress?: CallProgress;
}

/** A call as the pipeline knows it. */
interface CallOnItsWay {
  readonly method: string;
  readonly reported?: CallProgress | undefined;
}

export interface DriverRow {
  /** Word of the extension point, or '' for a plugin that has not said yet what it implements. */
  readonly point: string;
  readonly name: string;
  readonly version?: string;
  readonly carrier: CarrierKind;
  /** Where it is reached, e.g. `unix:///run/docker/plugins/rec.sock`; '' in process. */
  readonly address: string;
  readonly state: DriverState;
  readonly reason: string;
  /** Unix time in milliseconds of the last change of `state`. */
  readonly since: number;
  /** What the operator wants; `state` is what is. */
  readonly enabled: boolean;
  readonly lastCall?: LastCall;
  readonly lastError?: { readonly method: string; readonly at: number; readonly code: string; text: string };
  /** Absent for built-in drivers, which have none. */
  readonly breaker?: BreakerState;
  /** Calls that the driver has not answered yet, with the Unix time in milliseconds of their sending. */
  readonly inFlight: readonly SentCall[];
  readonly calls: number;
  readonly failures: number;
  readonly methods: ReadonlyMap<string, MethodCounts>;
}

const UNWELL: ReadonlySet<DriverState> = new Set(['degraded', 'crash-loop', 'failed', 'skipped']);

export class DriverRecord {
  readonly point: string;
  readonly name: string;
  /** Of the file last seen; another may come to stand in its place. */
  carrier: CarrierKind;
  version = '';
  address: string;
  state: DriverState = 'declared';
  reason = 'not used yet';
  since: number = Date.now();
  calls = 0;
  failures = 0;
  lastCall: LastCall | undefined;
  lastError: DriverRow['lastError'];
  breaker: BreakerState | undefined;
  readonly methods: Map<string, MethodCounts> = new Map();
  readonly #inFlight: Map<CallOnItsWay, number> = new Map();

  readonly log: DriverLog;

  /** `log`: of the plugin, whose drivers of several points share it. */
  constructor(point: string, name: string, carrier: CarrierKind, address = '', log = new DriverLog()) {
    this.point = point;
    this.log = log;
    this.name = name;
    this.carrier = carrier;
    this.address = address;
  }

  enter(state: DriverState, reason: string): void {
    if (this.state !== state) {
      this.since = Date.now();
      const message = `${state}: ${reason}`;
      // A plugin and its drivers have one log, and often change together.
      if (this.log.last !== message) this.log.add({ level: UNWELL.has(state) ? 'warn' : 'info', message });
    }
    this.state = state;
    this.reason = reason;
  }

  /** `call` stands for one sending of it, until `left`. */
  sent(call: CallOnItsWay): void {
    this.#inFlight.set(call, Date.now());
  }

  left(call: CallOnItsWay): void {
    this.#inFlight.delete(call);
  }

  ended(method: string, ms: number): void {
    this.calls++;
    this.lastCall = { method, at: Date.now(), ms };
  }

  failed(method: string, ms: number, error: HostError): void {
    this.ended(method, ms);
    this.failures++;
    const { code } = error;
    const text = messageChain(error);
    this.lastError = { method, at: Date.now(), code, text };
    this.log.add({ level: countsAsBroken(error) ? 'error' : 'warn', method, code, message: text });
  }

  /** Counts of `method`, made at its first call. */
  count(method: string): MethodCounts {
    const known = this.methods.get(method);
    if (known !== undefined) return known;
    const fresh = { calls: 0, failures: 0, totalMs: 0, buckets: LATENCY_BOUNDS_MS.map(() => 0).concat(0) };
    this.methods.set(method, fresh);
    return fresh;
  }

  row(): Omit<DriverRow, 'enabled'> {
    const { lastCall, lastError, point, name, carrier, address, state, reason, since } = this;
    const { calls, failures, methods, breaker, version } = this;
    return {
      inFlight: [...this.#inFlight].map(([{ method, reported }, at]) => ({
        method,
        at,
        ...(reported && { progress: reported }),
      })),
      ...{ point, name, carrier, address, state, reason, since, calls, failures, methods },
      ...(version && { version }),
      ...(breaker && { breaker }),
      ...(lastCall && { lastCall }),
      ...(lastError && { lastError }),
    };
  }
}
