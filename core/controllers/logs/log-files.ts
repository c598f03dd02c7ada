/**
 * The files of one container's log, the oldest first, as they are at one moment. They are renamed, compressed and removed
 * while somebody reads, so that they are known by their inodes and held open.
 */
import {
  closeSync,
  createReadStream,
  createWriteStream,
  fstatSync,
  openSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { LogFileEndpoint } from '@gantry/plugin-sdk/contracts/log.ts';

export interface LogFile {
  readonly fd: number;
  readonly inode: number;
  /** Its length when it was opened. */
  readonly size: number;
  readonly framing: LogFileEndpoint['framing'];
  readonly compressed: boolean;
}

/** Where the files are now. Asked anew when one was renamed. */
export type ListFiles = () => Promise<readonly LogFileEndpoint[]>;

/** Opens all, the oldest first; the caller closes them. Before the first start there are none. */
export function openLog(files: readonly LogFileEndpoint[]): LogFile[] {
  return files.flatMap((one) => openOne(one) ?? []);
}

/** Opens the file that came after the one of that inode; undefined when there is none. */
export function openNext(files: readonly LogFileEndpoint[], inode: number): LogFile | undefined {
  const last = files.at(-1);
  if (last && lookAt(last.path)?.inode === inode) return undefined;
  const there = files.filter((one) => lookAt(one.path) !== undefined);
  const index = there.findIndex((one) => lookAt(one.path)?.inode === inode);
  const next = there[index + 1];
  return next === undefined ? undefined : openOne(next);
}

function openOne({ path: file, framing, compressed }: LogFileEndpoint): LogFile | undefined {
  const fd = orUndefined(() => openSync(file, 'r'));
  if (fd === undefined) return undefined;
  const { ino, size } = fstatSync(fd);
  return { fd, inode: ino, size, framing, compressed };
}

export function closeLog(files: readonly LogFile[]): void {
  for (const { fd } of files) closeSync(fd);
}

/** The file as it is now; undefined when it is not there. */
export function lookAt(file: string): { readonly inode: number; readonly size: number } | undefined {
  const found = orUndefined(() => statSync(file));
  return found && { inode: found.ino, size: found.size };
}

let unpacked = 0;

/** The file as it was before it was compressed, in the place of the compressed one, which is closed. */
export async function unpack(file: LogFile): Promise<LogFile> {
  if (!file.compressed) return file;
  const name = path.join(tmpdir(), `gantry-log-${process.pid}-${unpacked++}`);
  try {
    const source = createReadStream('', { fd: file.fd, start: 0, autoClose: false });
    await pipeline(source, createGunzip(), createWriteStream(name, { mode: 0o600 }));
    const fd = openSync(name, 'r');
    closeSync(file.fd);
    return { ...file, fd, size: fstatSync(fd).size, compressed: false };
  } finally {
    rmSync(name, { force: true });
  }
}

function orUndefined<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
