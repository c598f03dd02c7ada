/** What the daemon reads of its environment; no other module looks at `process.env`. */
import { readFileSync } from 'node:fs';
import type { FailpointPlan } from '../store/failpoints.ts';

/** `GANTRY_FAILPOINT=K` dies at the K-th point, `GANTRY_FAILPOINT_TRACE=FILE` notes each; see test/crash. */
export function failpointPlan(): FailpointPlan | undefined {
  const dieAt = process.env.GANTRY_FAILPOINT;
  const traceFile = process.env.GANTRY_FAILPOINT_TRACE;
  if (!dieAt && !traceFile) return undefined;
  return { ...(dieAt && { dieAt: Number(dieAt) }), ...(traceFile && { traceFile }) };
}

/** Descriptors handed over by a service manager, from 3 on. Source: sd_listen_fds(3). */
export function listenDescriptors(): readonly number[] {
  if (process.env.LISTEN_PID !== String(process.pid)) return [];
  return Array.from({ length: Number(process.env.LISTEN_FDS ?? 0) }, (_, index) => 3 + index);
}

/** This boot of the machine; `GANTRY_BOOT_ID` stands in for a restart in tests. */
export function bootId(): string {
  return process.env.GANTRY_BOOT_ID ?? readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Replay switched off, so that a test can look at what a crash left. */
export function replayDisabled(): boolean {
  return process.env.GANTRY_NO_REPLAY === '1';
}
