/** Bounds the calls in flight to one driver, and the queue behind them, so that a hung driver holds nobody else up. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { Call, Send, Stage } from './call.ts';

export interface BulkheadLimits {
  readonly inFlight: number;
  readonly queued: number;
}

export const DEFAULT_LIMITS: BulkheadLimits = { inFlight: 64, queued: 1024 };

export class Bulkhead {
  readonly #driver: string;
  readonly #limits: BulkheadLimits;
  readonly #queue: Set<() => void> = new Set();
  readonly #takesPlace: (method: string) => boolean;
  #inFlight = 0;

  /** `takesPlace`: false for calls that last as long as what they wait for, one for each running task. */
  constructor(
    driver: string,
    limits: BulkheadLimits = DEFAULT_LIMITS,
    takesPlace: (method: string) => boolean = () => true,
  ) {
    this.#driver = driver;
    this.#limits = limits;
    this.#takesPlace = takesPlace;
  }

  /** Calls on their way, apart from those queued. */
  get inFlight(): number {
    return this.#inFlight;
  }

  readonly stage: Stage = (next: Send): Send => {
    return (call) => {
      if (!this.#takesPlace(call.method)) return next(call);
      if (this.#inFlight < this.#limits.inFlight) {
        this.#inFlight++;
        return next(call).finally(() => this.#leave());
      }
      if (this.#queue.size >= this.#limits.queued) return Promise.reject(this.#full());
      return this.#turn(call).then(() => next(call).finally(() => this.#leave()));
    };
  };

  /** Hands the place to the first in the queue, else gives it back. */
  #leave(): void {
    const [first] = this.#queue;
    if (first === undefined) this.#inFlight--;
    else first();
  }

  /** Resolves with the place of a call that ended; rejects, and gives its place up, when the call ends before. */
  #turn(call: Call): Promise<void> {
    return new Promise((resolve, reject) => {
      const admit = (): void => {
        this.#queue.delete(admit);
        call.signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        this.#queue.delete(admit);
        reject(call.signal.reason);
      };
      this.#queue.add(admit);
      call.signal.addEventListener('abort', leave, { once: true });
    });
  }

  #full(): HostError {
    const { inFlight, queued } = this.#limits;
    const message = `${this.#driver}: too many calls: ${inFlight} in flight and ${queued} queued`;
    return new HostError('ResourceExhausted', 'DRIVER_BUSY', message, { hint: 'try again later' });
  }
}
