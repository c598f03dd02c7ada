/** What the daemon reads of its environment; no other module looks at `process.env`. */
import { readFileSync } from 'node:fs';
import type { FailpointPlan } from '../store/failpoints.ts';

/**
 * For test/crash: `GANTRY_FAILPOINT=K` dies at the K-th point, counted from the recovery on with
 * `GANTRY_FAILPOINT_FROM=recovery`; `GANTRY_FAILPOINT_TRACE=FILE` notes each; `GANTRY_FAILPOINT_ORDER=FILE` takes a new K.
 */
export function failpointPlan(): FailpointPlan | undefined {
  const { GANTRY_FAILPOINT, GANTRY_FAILPOINT_FROM, GANTRY_FAILPOINT_TRACE, GANTRY_FAILPOINT_ORDER } =
    process.env;
  if (!GANTRY_FAILPOINT && !GANTRY_FAILPOINT_TRACE && !GANTRY_FAILPOINT_ORDER) return undefined;
  return {
    fromStart: GANTRY_FAILPOINT_FROM === 'recovery',
    ...(GANTRY_FAILPOINT && { dieAt: Number(GANTRY_FAILPOINT) }),
    ...(GANTRY_FAILPOINT_TRACE && { traceFile: GANTRY_FAILPOINT_TRACE }),
    ...(GANTRY_FAILPOINT_ORDER && { orderFile: GANTRY_FAILPOINT_ORDER }),
  };
}

/** Durability switched off, so that a power-cut test can show that it would notice. */
export function syncDisabled(): boolean {
  return process.env.GANTRY_UNSAFE_NO_SYNC === '1';
}

/** Descriptors handed over by a service manager, from 3 on. Source: sd_listen_fds(3). */
export function listenDescriptors(): readonly number[] {
  if (process.env.LISTEN_PID !== String(process.pid)) return [];
  return Array.from({ length: Number(process.env.LISTEN_FDS ?? 0) }, (_, index) => 3 + index);
}

/** Where the service manager wants to be told of the daemon's state; '' for nowhere. Source: sd_notify(3). */
export function notifySocket(): string {
  return process.env.NOTIFY_SOCKET ?? '';
}

/** This boot of the machine; `GANTRY_BOOT_ID` stands in for a restart in tests. */
export function bootId(): string {
  return process.env.GANTRY_BOOT_ID ?? readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Replay switched off, so that a test can look at what a crash left. */
export function replayDisabled(): boolean {
  return process.env.GANTRY_NO_REPLAY === '1';
}
