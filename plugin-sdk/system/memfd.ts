/** Anonymous files in memory. */
import { closeSync, readFileSync, writeSync } from 'node:fs';
import { syscall } from './libc.ts';

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
// Seal, shrink, grow, write: what runc and crun look for before they trust their own file.
const ALL_SEALS = 15;

const memfdCreate = syscall<[name: string, flags: number]>(
  'int memfd_create(const char *name, unsigned int flags)',
);
const fcntl = syscall<[fd: number, command: number, argument: number]>(
  'int fcntl(int fd, int command, int argument)',
);

/** An empty file in memory, close-on-exec; the caller closes it. `name` shows in /proc only. */
export function createMemfd(name: string): number {
  return memfdCreate(name, MFD_CLOEXEC);
}

export interface SealedFile {
  readonly fd: number;
  /** A path that every process of this PID namespace can execute while this one lives and has `fd` open. */
  readonly path: string;
  close(): void;
}

/** Copies the executable at `path` into memory, where nobody can change it any more, us included. */
export function sealedCopy(path: string, name: string): SealedFile {
  const fd = memfdCreate(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  try {
    const bytes = readFileSync(path);
    for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    fcntl(fd, F_ADD_SEALS, ALL_SEALS);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { fd, path: `/proc/${process.pid}/fd/${fd}`, close: () => closeSync(fd) };
}
