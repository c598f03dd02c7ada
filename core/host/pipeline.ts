/**
 * The way of every call to every driver, in order: validate request, trace, metrics, deadline, breaker, bulkhead, retry,
 * record, carrier, validate answer. Stages are functions around functions, put together once per driver.
 */
import { asHostError, type HostError } from '@gantry/plugin-sdk/errors.ts';
import type { CallContext, ExtensionPoint } from '@gantry/plugin-sdk/extension-point.ts';
import type { Breaker } from './breaker.ts';
import type { Bulkhead } from './bulkhead.ts';
import { Call, type Send, type Stage } from './call.ts';
import { checkAnswer, checkRequest } from './call-rules.ts';
import { deadline, deadlineMs } from './deadline.ts';
import { type DriverRecord, LATENCY_BOUNDS_MS } from './driver-record.ts';

/** One finished call, for whoever traces them. `code` is absent when it succeeded. */
export interface CallTrace {
  readonly point: string;
  readonly driver: string;
  readonly method: string;
  readonly ms: number;
  readonly code?: string;
}

export interface PipelineParts {
  readonly record: DriverRecord;
  readonly carrier: Send;
  readonly trace?: ((call: CallTrace) => void) | undefined;
  /** Absent for built-ins, which cannot be away and share our process. */
  readonly breaker?: Breaker;
  readonly bulkhead?: Bulkhead;
  readonly retry?: Stage;
  readonly deadlineMs?: (method: string) => number;
}

const through: Stage = (next) => next;

export function pipeline(point: ExtensionPoint<unknown>, parts: PipelineParts): Send {
  const { record } = parts;
  const name = `${point.word} driver "${record.name}"`;
  const stages: Stage[] = [
    checkRequest(point.id, name),
    trace(record, parts.trace),
    metrics(record),
    deadline(name, parts.deadlineMs ?? ((method) => deadlineMs(point.id, method))),
    parts.breaker?.stage ?? through,
    parts.bulkhead?.stage ?? through,
    parts.retry ?? through,
    remember(record),
  ];
  return stages.reduceRight((next, stage) => stage(next), checkAnswer(point.id, name)(parts.carrier));
}

/** An object with those of the contract's methods that the driver `has`, each sent through the pipeline. */
export function proxyOf<T>(point: ExtensionPoint<T>, has: (method: string) => boolean, send: Send): T {
  const proxy: Record<string, (request: object, context?: CallContext) => Promise<unknown>> = {};
  for (const method of Object.keys(point.methods).filter(has)) {
    proxy[method] = (request, context) => send(new Call(method, request, context?.signal, context));
  }
  // The one cast of the host: the methods are those of the point, and the point's type says what each of them takes.
  return proxy as T;
}

/**
 * The carrier of built-ins: the driver's own methods. Whatever they throw becomes a HostError here, and a method that
 * does not listen to its signal is left behind when that aborts.
 */
export function inProcess(driver: object): Send {
  return (call) =>
    new Promise((resolve, reject) => {
      const fail = (error: unknown): void => reject(asHostError(error));
      call.whenAborted(fail);
      try {
        Reflect.get(driver, call.method).call(driver, call.request, call).then(resolve, fail);
      } catch (error) {
        fail(error);
      }
    });
}

function trace(record: DriverRecord, tell: PipelineParts['trace']): Stage {
  if (tell === undefined) return through;
  const { point, name: driver } = record;
  return timed((method, ms, error) =>
    tell({ point, driver, method, ms, ...(error && { code: error.code }) }),
  );
}

function metrics(record: DriverRecord): Stage {
  return timed((method, ms, error) => {
    const counts = record.count(method);
    counts.calls++;
    if (error !== undefined && !hasLeft(error)) counts.failures++;
    counts.totalMs += ms;
    const found = LATENCY_BOUNDS_MS.findIndex((bound) => ms <= bound);
    const bucket = found === -1 ? LATENCY_BOUNDS_MS.length : found;
    counts.buckets[bucket] = (counts.buckets[bucket] ?? 0) + 1;
  });
}

function remember(record: DriverRecord): Stage {
  const stage = timed((method, ms, error, call) => {
    record.left(call);
    if (error === undefined || hasLeft(error)) record.ended(method, ms);
    else record.failed(method, ms, error);
  });
  return (next) => {
    const send = stage(next);
    return (call) => {
      record.sent(call);
      return send(call);
    };
  };
}

/** A caller that left is no fault of the driver. */
function hasLeft(error: HostError): boolean {
  return error.kind === 'Canceled';
}

type Ended = (method: string, ms: number, error: HostError | undefined, call: Call) => void;

function timed(ended: Ended): Stage {
  return (next) => (call) => {
    const from = performance.now();
    return next(call).then(
      (answer) => {
        ended(call.method, performance.now() - from, undefined, call);
        return answer;
      },
      (error: unknown) => {
        ended(call.method, performance.now() - from, asHostError(error), call);
        throw error;
      },
    );
  };
}
