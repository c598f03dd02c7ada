/** Named pipes. */
import { syscall } from './libc.ts';

const FIONREAD = 0x541b;
const mkfifo = syscall<[string, number]>('int mkfifo(const char *path, unsigned int mode)');
const ioctl = syscall<[number, bigint, Int32Array]>('int ioctl(int fd, unsigned long request, int *value)');

export function makeFifo(path: string, mode = 0o700): void {
  mkfifo(path, mode);
}

/** Bytes that were written to the pipe and not read yet. */
export function unreadBytes(fd: number): number {
  const value = new Int32Array(1);
  ioctl(fd, BigInt(FIONREAD), value);
  return value[0] ?? 0;
}
