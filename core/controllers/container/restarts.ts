/**
 * Containers that wait to be started again. Which they are stands in the records (`restarting`); here are only the
 * timers, so that a crash at any moment loses nothing: the next daemon finds the record and starts it.
 */
import { messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { Logger } from '@gantry/plugin-sdk/extension-point.ts';
import { nextDelay } from './restart-policy.ts';

/** How many start at once; a machine that boots has other work too. */
const AT_ONCE = 4;
/** A start that takes longer lets the next one go first: a driver that hangs must not hold up all others. */
const TURN_MS = 10_000;

type Start = (id: string, signal: AbortSignal) => Promise<void>;

/** As the driver host has it: calls back when the plugin of that name appears; answers the way to stop. */
type OnAppear = (driver: string, tell: () => void) => () => void;

interface Waiting {
  readonly timer: NodeJS.Timeout;
  readonly abort: AbortController;
  readonly leave: readonly (() => void)[];
}

export class Restarts {
  readonly #onAppear: OnAppear;
  readonly #log: Logger;
  readonly #stopping: AbortSignal;
  readonly #open = Promise.withResolvers<void>();
  readonly #waiting = new Map<string, Waiting>();
  /** What each waited last, in milliseconds. */
  readonly #delays = new Map<string, number>();
  /** Ids of those whose end somebody has asked for; `true` when it is not to start again whatever its policy. */
  readonly #stopped = new Map<string, boolean>();
  #start: Start = async () => {};
  #running = 0;
  readonly #turns: (() => void)[] = [];

  constructor(onAppear: OnAppear, log: Logger, stopping: AbortSignal) {
    this.#onAppear = onAppear;
    this.#log = log;
    this.#stopping = stopping;
    stopping.addEventListener('abort', () => {
      for (const id of this.#waiting.keys()) this.cancel(id);
    });
  }

  /** From here on they are started: everything that a start needs is there. */
  begin(start: Start): void {
    this.#start = start;
    this.#open.resolve();
  }

  /** How long one that ran for `ranMs` is to wait. */
  delayAfter(id: string, ranMs: number): number {
    const delay = nextDelay(this.#delays.get(id) ?? 0, ranMs);
    this.#delays.set(id, delay);
    return delay;
  }

  /** Starts it after `ms`, or sooner with `hurry` or when a plugin of `drivers` appears. */
  schedule(id: string, ms: number, drivers: readonly string[] = []): void {
    if (this.#stopping.aborted) return;
    this.cancel(id);
    const abort = new AbortController();
    const timer = setTimeout(() => void this.#run(id, abort.signal), ms);
    const leave = drivers.map((driver) => this.#onAppear(driver, () => this.hurry(id)));
    this.#waiting.set(id, { timer, abort, leave });
  }

  /** It waits no longer; a start that is under way begins anew. */
  hurry(id: string): void {
    if (this.#waiting.has(id)) this.schedule(id, 0);
  }

  /** No start of it follows, and one that is under way is given up. */
  cancel(id: string): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    clearTimeout(waiting.timer);
    waiting.abort.abort();
    for (const leave of waiting.leave) leave();
    this.#waiting.delete(id);
  }

  /** A person starts it, or it is gone: what was before does not count. */
  forget(id: string): void {
    this.cancel(id);
    this.#delays.delete(id);
    this.#stopped.delete(id);
  }

  /** A signal that may end it is about to be sent. */
  noteStop(id: string, final: boolean): void {
    this.#stopped.set(id, final || this.#stopped.get(id) === true);
  }

  /** It runs again: what was asked of it before has had its effect. */
  noteStarted(id: string): void {
    this.#stopped.delete(id);
  }

  stopOf(id: string): { readonly manuallyStopped: boolean; readonly final: boolean } {
    return { manuallyStopped: this.#stopped.has(id), final: this.#stopped.get(id) === true };
  }

  async #run(id: string, cancelled: AbortSignal): Promise<void> {
    await this.#open.promise;
    const leave = await this.#turn();
    const late = setTimeout(leave, TURN_MS);
    try {
      if (!cancelled.aborted && !this.#stopping.aborted) await this.#start(id, cancelled);
    } catch (error) {
      if (!cancelled.aborted) {
        this.#log.error({ container: id, error: messageChain(error) }, 'restart put off');
        this.schedule(id, this.delayAfter(id, 0));
      }
    } finally {
      clearTimeout(late);
      leave();
    }
    if (this.#waiting.get(id)?.abort.signal === cancelled) this.cancel(id);
  }

  /** Resolves when fewer than `AT_ONCE` start, with the way to let the next one go. */
  async #turn(): Promise<() => void> {
    if (this.#running >= AT_ONCE) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#turns.push(resolve);
      await promise;
    } else this.#running += 1;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const next = this.#turns.shift();
      if (next) next();
      else this.#running -= 1;
    };
  }
}
