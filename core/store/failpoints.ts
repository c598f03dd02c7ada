/**
 * Places where the daemon may be made to die, for the crash sweep: before and after each durable write and each effect.
 * Disarmed they cost one comparison. Armed with k, the k-th one passed ends the process as SIGKILL would.
 */
import { appendFileSync, readFileSync, rmSync } from 'node:fs';

export interface FailpointPlan {
  /** Die at the k-th point passed, counted from 1; undefined: only count. */
  readonly dieAt?: number;
  /** Count from the beginning of the daemon's recovery, and not from when its API answers. */
  readonly fromStart?: boolean;
  /** Where each passed point is noted, one line each, so that a sweep can prove it passed some. */
  readonly traceFile?: string;
  /**
   * At SIGUSR2 this file's number becomes the new k, counted anew, and the file is removed: a daemon that has recovered
   * is the next one's victim. 0 only counts.
   */
  readonly orderFile?: string;
}

export class Failpoints {
  readonly #plan: FailpointPlan | undefined;
  #dieAt: number;
  #passed = 0;
  #live = false;

  constructor(plan?: FailpointPlan) {
    this.#plan = plan;
    this.#dieAt = plan?.dieAt ?? 0;
  }

  /** Points count from here on. A sweep measures the recovery or what comes after it, never both at once. */
  arm(stage: 'recovery' | 'api'): void {
    const plan = this.#plan;
    if (plan === undefined) return;
    this.#live ||= plan.fromStart === true || stage === 'api';
    const { orderFile } = plan;
    if (stage === 'api' && orderFile) process.on('SIGUSR2', () => this.#obey(orderFile));
  }

  pass(name: string): void {
    if (!this.#live) return;
    this.#passed += 1;
    const { traceFile } = this.#plan ?? {};
    if (traceFile) appendFileSync(traceFile, `${this.#passed} ${name}\n`);
    if (this.#passed === this.#dieAt) process.kill(process.pid, 'SIGKILL');
  }

  #obey(orderFile: string): void {
    this.#dieAt = Number(readFileSync(orderFile, 'utf8'));
    this.#passed = 0;
    rmSync(orderFile);
  }
}
