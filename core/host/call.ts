/**
 * One driver call on its way through the pipeline. Its signal is made only when somebody asks for it: most built-in
 * calls end before they look at it, and an AbortController costs more than such a call.
 */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { CallContext, CallProgress } from '@gantry/plugin-sdk/extension-point.ts';

export class Call implements CallContext {
  readonly method: string;
  readonly request: object;
  readonly caller: AbortSignal | undefined;
  /** What the driver said last of how far it is. */
  reported: CallProgress | undefined;
  readonly #told: CallContext | undefined;
  #controller: AbortController | undefined;
  #reason: HostError | undefined;
  #onAbort: ((reason: HostError) => void) | undefined;

  /** `told` hears of the call's progress too. */
  constructor(method: string, request: object, caller: AbortSignal | undefined, told?: CallContext) {
    this.#told = told;
    this.method = method;
    this.request = request;
    this.caller = caller;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  progress(progress: CallProgress): void {
    this.reported = progress;
    this.#told?.progress?.(progress);
  }

  abort(reason: HostError): void {
    this.#reason ??= reason;
    this.#onAbort?.(this.#reason);
    this.#controller?.abort(this.#reason);
  }

  /** Calls back like a listener of `signal`, without the making of one. Holds one callback. */
  whenAborted(onAbort: (reason: HostError) => void): void {
    this.#onAbort = onAbort;
    if (this.#reason !== undefined) onAbort(this.#reason);
  }
}

/** Sends a call on; a stage of the pipeline wraps one in another. */
export type Send = (call: Call) => Promise<unknown>;
export type Stage = (next: Send) => Send;

export function canceled(driver: string, method: string, cause: unknown): HostError {
  return new HostError('Canceled', 'CANCELED', `${driver}: ${method}: the caller went away`, { cause });
}
