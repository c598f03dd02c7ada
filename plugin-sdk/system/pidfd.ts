/** Waiting for the end of any process, ours or not, on the event loop. */
import { closeSync, readFileSync } from 'node:fs';
import koffi from 'koffi';
import { syscall } from './libc.ts';

// One number on every architecture. glibc 2.31 has no wrapper.
const SYS_pidfd_open = 434;

const pidfdOpen = syscall<[number: number, pid: number, flags: number]>(
  'long syscall(long number, int pid, unsigned int flags)',
);

type PollHandle = InstanceType<typeof koffi.node.PollHandle>;

/** Polls under way: koffi closes one whose object has been collected. */
const waiting = new Set<PollHandle>();

export interface ProcessEnd {
  /** Resolves when the process has ended; it may still be a zombie that its parent has not reaped. */
  readonly ended: Promise<void>;
  /** Gives up: `ended` then never settles. May be repeated. */
  cancel(): void;
}

/**
 * Waits for the end of `pid`; when there is no such process it has ended. `keepAlive: false` lets Node exit meanwhile.
 * Numbers are given out again: who has a pid from a file compares `processStartTime` after this call, which holds the
 * process by a descriptor.
 */
export function onProcessEnd(pid: number, { keepAlive = true } = {}): ProcessEnd {
  const fd = openPidfd(pid);
  if (fd === undefined) return { ended: Promise.resolve(), cancel: () => {} };
  const { promise, resolve } = Promise.withResolvers<void>();
  const close = () => {
    if (!waiting.delete(poll)) return;
    poll.close();
    closeSync(fd);
  };
  const poll = koffi.node.poll(fd, { readable: true }, () => {
    close();
    resolve();
  });
  waiting.add(poll);
  if (!keepAlive) poll.unref();
  return { ended: promise, cancel: close };
}

/** Clock ticks from boot to the start of `pid`: with the pid it names one process for good. Undefined when it is gone. */
export function processStartTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the command in brackets and may hold blanks and brackets; the 22nd is the start time.
    const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : rest[18];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

function openPidfd(pid: number): number | undefined {
  try {
    return pidfdOpen(SYS_pidfd_open, pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined;
    throw error;
  }
}
