/** Pipes between this process and its children. */
import { syscall } from './libc.ts';

const O_CLOEXEC = 0o2000000;
const pipe2 = syscall<[Int32Array, number]>('int pipe2(int *fds, int flags)');

/** Both ends, close-on-exec; the caller closes them. */
export function openPipe(): { readonly readEnd: number; readonly writeEnd: number } {
  const fds = new Int32Array(2);
  pipe2(fds, O_CLOEXEC);
  const [readEnd = -1, writeEnd = -1] = fds;
  return { readEnd, writeEnd };
}
