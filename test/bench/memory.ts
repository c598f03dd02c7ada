import { readFileSync } from 'node:fs';

/** Resident memory of the processes, in MiB; each is one program, so that little of it is shared. */
export function memoryMiB(pids: readonly number[]): number {
  const resident = (pid: number) =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  return pids.reduce((sum, pid) => sum + resident(pid), 0) / 1024;
}
