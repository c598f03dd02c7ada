/** Memory of this process that the C library holds back for later. */
import { foreign } from './libc.ts';

const mallocTrim = foreign<[pad: number], number>('int malloc_trim(size_t pad)');

/** Gives it back to the system: some 10 MiB after a worker thread has ended, whose heap and buffers it was. */
export function giveBackMemory(): void {
  mallocTrim(0);
}
