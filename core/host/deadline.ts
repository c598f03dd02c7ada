/**
 * How long each method may take. Ends a call at its deadline or when its caller leaves, whether the driver listens to
 * its signal or not.
 */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { translationsOf } from '@gantry/plugin-sdk/wire/point-translations.ts';
import { type Call, canceled, type Send, type Stage } from './call.ts';

const DEFAULT_MS = 60_000;
/** No deadline: the call lasts as long as what it waits for. */
const NONE = 0;

/** Methods, by point id, that have neither a time-out of Docker's plugin protocol nor the default. */
const deadlinesMs: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'gantry.log.v1': { append: 30_000, check: 5_000 },
  'gantry.runtime.v1': { wait: NONE, waitOom: NONE, execWait: NONE, create: 120_000, delete: 120_000 },
  'gantry.snapshot.v1': { commitLayer: 600_000, removeLayer: 600_000, remove: 600_000, unmount: 600_000 },
};

export function deadlineMs(pointId: string, method: string): number {
  const onTheWire = translationsOf({ id: pointId }).get(method)?.method.timeoutMs;
  return onTheWire ?? deadlinesMs[pointId]?.[method] ?? DEFAULT_MS;
}

/** The stage: rejects with DeadlineExceeded or Canceled and aborts the call's signal with the same error. */
export function deadline(driver: string, limitMs: (method: string) => number): Stage {
  return (next: Send): Send =>
    (call) => {
      if (call.caller?.aborted) return Promise.reject(canceled(driver, call.method, call.caller.reason));
      return new Promise((resolve, reject) => {
        const give = endEarly(driver, call, limitMs(call.method), reject);
        next(call).then(
          (answer) => {
            give();
            resolve(answer);
          },
          (error: unknown) => {
            give();
            reject(error);
          },
        );
      });
    };
}

/** Arms timer and listener; answers what takes both away again. */
function endEarly(driver: string, call: Call, ms: number, reject: (error: HostError) => void): () => void {
  const end = (error: HostError): void => {
    disarm();
    call.abort(error);
    reject(error);
  };
  const onTimeout = (): void =>
    end(
      new HostError(
        'DeadlineExceeded',
        'DRIVER_DEADLINE',
        `${driver}: ${call.method}: no answer in ${ms} ms`,
      ),
    );
  const onLeave = (): void => end(canceled(driver, call.method, call.caller?.reason));
  const timer = ms === NONE ? undefined : setTimeout(onTimeout, ms);
  call.caller?.addEventListener('abort', onLeave, { once: true });
  const disarm = (): void => {
    clearTimeout(timer);
    call.caller?.removeEventListener('abort', onLeave);
  };
  return disarm;
}
