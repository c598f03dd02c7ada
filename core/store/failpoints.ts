/**
 * Places where the daemon may be made to die, for the crash sweep: before and after each durable write and each effect.
 * Disarmed they cost one comparison. Armed with k, the k-th one passed ends the process as SIGKILL would.
 */
import { appendFileSync } from 'node:fs';

export interface FailpointPlan {
  /** Die at the k-th point passed, counted from 1; undefined: only count. */
  readonly dieAt?: number;
  /** Where each passed point is noted, one line each, so that a sweep can prove it passed some. */
  readonly traceFile?: string;
}

export class Failpoints {
  readonly #plan: FailpointPlan | undefined;
  #passed = 0;
  #live = false;

  constructor(plan?: FailpointPlan) {
    this.#plan = plan;
  }

  /** Points count only from here on: a sweep measures the scenario, or the replay, but not both at once. */
  arm(): void {
    this.#live = true;
  }

  pass(name: string): void {
    if (!this.#live || this.#plan === undefined) return;
    this.#passed += 1;
    if (this.#plan.traceFile) appendFileSync(this.#plan.traceFile, `${this.#passed} ${name}\n`);
    if (this.#passed === this.#plan.dieAt) process.kill(process.pid, 'SIGKILL');
  }
}
