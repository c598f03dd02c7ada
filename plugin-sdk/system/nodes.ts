/** Special files: devices and named pipes, which Node cannot make. */
import { syscall } from './libc.ts';
import { terminated } from './xattr.ts';

export const S_IFIFO = 0o010000;
export const S_IFCHR = 0o020000;
export const S_IFBLK = 0o060000;

const make = syscall<[path: string | Buffer, mode: number, device: number]>(
  'int mknod(const char *path, unsigned int mode, uint64_t device)',
);

/** `mode`: one of the kinds above with permission bits, from which the process's umask is taken away. */
export function mknod(path: string | Buffer, mode: number, device: { major: number; minor: number }): void {
  make(terminated(path), mode, makedev(device));
}

/** glibc's packing of a device number, which fits a double only because Linux has 12 bits of major, 20 of minor. */
export function makedev({ major, minor }: { major: number; minor: number }): number {
  return (minor & 0xff) + (major & 0xfff) * 0x100 + (minor & 0xfff00) * 0x1000;
}

/** The two halves of what `stat` answers as `rdev`. */
export function deviceNumber(rdev: number): { major: number; minor: number } {
  const packed = BigInt(rdev);
  return {
    major: Number(((packed >> 8n) & 0xfffn) | ((packed >> 32n) & 0xfffff000n)),
    minor: Number((packed & 0xffn) | ((packed >> 12n) & 0xffffff00n)),
  };
}
