/** SIGKILL, which comes too late as often as not. */

/** Ends a process; one that has just ended by itself is success. */
export function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
