/** Waiting for the end of any process, ours or not, on the event loop. */
import { closeSync, readFileSync } from 'node:fs';
import koffi from 'koffi';
import { syscall } from './libc.ts';

// One number each on every architecture. glibc 2.31 has no wrappers.
const SYS_pidfd_open = 434;
const SYS_pidfd_send_signal = 424;

const pidfdOpen = syscall<[number: number, pid: number, flags: number]>(
  'long syscall(long number, int pid, unsigned int flags)',
);

const pidfdSendSignal = syscall<[number: number, fd: number, signal: number, info: null, flags: number]>(
  'long syscall(long number, int fd, int signal, void *info, unsigned int flags)',
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

/**
 * Sends `signal` to `pid`, provided that `isIt` says so once the process is held by a descriptor, so that its number
 * cannot be given out again meanwhile. False when there is no such process, or it is not the one.
 */
export function signalIf(pid: number, signal: number, isIt: () => boolean): boolean {
  const fd = openPidfd(pid);
  if (fd === undefined) return false;
  try {
    if (!isIt()) return false;
    pidfdSendSignal(SYS_pidfd_send_signal, fd, signal, null, 0);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  } finally {
    closeSync(fd);
  }
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
