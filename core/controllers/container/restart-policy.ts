/** Docker's restart policies: whether a container that has ended is started again, and how soon. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { ContainerRecord } from '../../store/record-types.ts';

export type RestartPolicyName = 'no' | 'always' | 'on-failure' | 'unless-stopped';

export interface RestartPolicy {
  readonly name: RestartPolicyName;
  /** Of `on-failure`: how often at most; 0 is without end. */
  readonly maxRetries: number;
}

interface PolicyBody {
  readonly Name?: string;
  readonly MaximumRetryCount?: number;
}

const NAMES: readonly string[] = ['no', 'always', 'on-failure', 'unless-stopped'];
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 60_000;
/** One that ran for this long has not failed at once, and the delays begin anew. */
const STEADY_MS = 10_000;

/** Errors: InvalidArgument, in Docker's words. */
export function checkRestartPolicy(body: PolicyBody | null | undefined, autoRemove: boolean): void {
  const { Name = '', MaximumRetryCount = 0 } = body ?? {};
  if (Name === '') return;
  if (!NAMES.includes(Name)) {
    throw invalid(`unknown policy '${Name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`);
  }
  if (Name === 'on-failure' && MaximumRetryCount < 0) throw invalid('maximum retry count cannot be negative');
  if (Name !== 'on-failure' && MaximumRetryCount !== 0) {
    const negative = MaximumRetryCount < 0 ? ' and cannot be negative' : '';
    throw invalid(`maximum retry count can only be used with 'on-failure'${negative}`);
  }
  if (autoRemove && Name !== 'no') {
    const message = "can't create 'AutoRemove' container with restart policy";
    throw new HostError('InvalidArgument', 'INVALID_RESTART_POLICY', message);
  }
}

export function restartPolicyOf({ hostConfig }: Pick<ContainerRecord, 'hostConfig'>): RestartPolicy {
  const { Name, MaximumRetryCount = 0 } = (hostConfig.RestartPolicy as PolicyBody | null | undefined) ?? {};
  return { name: (Name || 'no') as RestartPolicyName, maxRetries: MaximumRetryCount };
}

/** Whether one that has just ended is to start again. `final`: somebody has asked for this very end. */
export function shouldRestart(
  { name, maxRetries }: RestartPolicy,
  end: {
    readonly exitCode: number;
    /** How often it has been started again since a person started it. */
    readonly restarts: number;
    readonly manuallyStopped: boolean;
    readonly final: boolean;
  },
): boolean {
  if (end.final) return false;
  if (name === 'always') return true;
  if (name === 'unless-stopped') return !end.manuallyStopped;
  return name === 'on-failure' && end.exitCode !== 0 && (maxRetries === 0 || end.restarts < maxRetries);
}

/** Whether one that had ended before is started with the daemon. */
export function startsWithDaemon({ name }: RestartPolicy, manuallyStopped: boolean): boolean {
  return name === 'always' || (name === 'unless-stopped' && !manuallyStopped);
}

/** Milliseconds to wait; `last` is what was waited before it ran for `ranMs`, 0 at first. */
export function nextDelay(last: number, ranMs: number): number {
  if (last === 0 || ranMs >= STEADY_MS) return FIRST_DELAY_MS;
  return Math.min(2 * last, LONGEST_DELAY_MS);
}

function invalid(message: string): HostError {
  return new HostError('InvalidArgument', 'INVALID_RESTART_POLICY', `invalid restart policy: ${message}`);
}
