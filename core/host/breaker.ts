/**
 * Stops calling a driver that is broken, and tries again with growing pauses. Only failures of the way to the driver
 * count: transport errors, time-outs and malformed answers. What the driver itself refuses is an answer like any other.
 */
import { HostError, isHostError } from '@gantry/plugin-sdk/errors.ts';
import type { Send, Stage } from './call.ts';

const FAILURES_TO_OPEN = 5;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

const COUNTED: ReadonlySet<string> = new Set([
  'DRIVER_UNAVAILABLE',
  'DRIVER_CONNECTION_LOST',
  'DRIVER_BAD_ANSWER',
  'DRIVER_DEADLINE',
]);

/** Say nothing about the driver: the call was not made, or its caller left. */
const NEUTRAL: ReadonlySet<string> = new Set(['CANCELED', 'DRIVER_BUSY', 'DRIVER_CRASH_LOOP']);

export function countsAsBroken(error: unknown): boolean {
  return isHostError(error) && COUNTED.has(error.code);
}

export type BreakerState = 'closed' | 'open' | 'half-open';

export interface BreakerOptions {
  /** Milliseconds that only grow; injected by tests. */
  readonly now?: () => number;
  /** Told at every change, with the error that caused it when there was one. */
  readonly onChange?: (state: BreakerState, opened: number, error?: HostError) => void;
}

export class Breaker {
  readonly #driver: string;
  readonly #now: () => number;
  readonly #onChange: NonNullable<BreakerOptions['onChange']>;
  #state: BreakerState = 'closed';
  #failures = 0;
  /** How often it opened since it was last closed. */
  #opened = 0;
  #until = 0;
  #last: HostError | undefined;

  constructor(driver: string, options: BreakerOptions = {}) {
    this.#driver = driver;
    this.#now = options.now ?? (() => performance.now());
    this.#onChange = options.onChange ?? (() => undefined);
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Forgets every failure, as when the driver's socket was replaced. */
  reset(): void {
    this.#failures = 0;
    this.#opened = 0;
    this.#enter('closed');
  }

  readonly stage: Stage = (next: Send): Send => {
    return (call) => {
      const refusal = this.#admit();
      if (refusal !== undefined) return Promise.reject(refusal);
      return next(call).then(
        (answer) => {
          this.#succeeded();
          return answer;
        },
        (error: unknown) => {
          if (isHostError(error) && countsAsBroken(error)) this.#failed(error);
          else if (isHostError(error) && NEUTRAL.has(error.code)) this.#undecided();
          else this.#succeeded();
          throw error;
        },
      );
    };
  };

  /** Lets a call through, or answers why not. The first call after a pause is the probe; others wait for its result. */
  #admit(): HostError | undefined {
    if (this.#state === 'closed') return undefined;
    const waitMs = this.#until - this.#now();
    if (this.#state === 'open' && waitMs <= 0) {
      this.#enter('half-open');
      return undefined;
    }
    const retryAfterMs = Math.max(0, Math.ceil(waitMs));
    const message = `${this.#driver}: not called after repeated failures`;
    return new HostError('Unavailable', 'DRIVER_CRASH_LOOP', message, {
      cause: this.#last,
      details: { retryAfterMs },
    });
  }

  #succeeded(): void {
    if (this.#failures > 0 || this.#state !== 'closed') this.reset();
  }

  #failed(error: HostError): void {
    this.#last = error;
    this.#failures++;
    if (this.#state === 'half-open' || this.#failures >= FAILURES_TO_OPEN) this.#open(error);
    else this.#onChange('closed', 0, error);
  }

  /** A probe whose caller left proves nothing: the next call probes. */
  #undecided(): void {
    if (this.#state === 'half-open') this.#enter('open');
  }

  #open(error: HostError): void {
    if (this.#state === 'open') return;
    this.#until = this.#now() + Math.min(FIRST_PAUSE_MS * 2 ** this.#opened, LONGEST_PAUSE_MS);
    this.#opened++;
    this.#enter('open', error);
  }

  #enter(state: BreakerState, error?: HostError): void {
    this.#state = state;
    this.#onChange(state, this.#opened, error);
  }
}
