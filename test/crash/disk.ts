/**
 * A disk whose power can be cut: ext4 in a file, on a loop device. `cut` throws away whatever was not synced, as the
 * kernel's own tests of journalling do; the process that uses it must have a mount namespace of its own, or another
 * daemon's namespace would keep the dead file system alive. Source: FACTS "Store", and EXT4_IOC_SHUTDOWN in fs/ext4/ioctl.c.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, truncateSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { syscall } from '@gantry/plugin-sdk/system/libc.ts';
import { unmountAll } from '@gantry/plugin-sdk/system/mount.ts';

const SIZE_BYTES = 256 * 1024 * 1024;
const EXT4_IOC_SHUTDOWN = 0x8004587d;
const NOLOGFLUSH = 2;
const GONE_ROUNDS = 400;
const ROUND_MS = 5;

const ioctl = syscall<[descriptor: number, request: number, argument: Buffer]>(
  'int ioctl(int fd, unsigned long request, void *argument)',
);

export class Disk {
  readonly dir: string;
  readonly #file: string;

  constructor(file: string, dir: string) {
    this.#file = file;
    this.dir = dir;
  }

  /** An empty file system in `file`, sparse. */
  static format(file: string): void {
    writeFileSync(file, '');
    truncateSync(file, SIZE_BYTES);
    execFileSync('mkfs.ext4', ['-q', '-F', '-E', 'lazy_itable_init=1,lazy_journal_init=1,nodiscard', file]);
  }

  mount(): void {
    mkdirSync(this.dir, { recursive: true });
    execFileSync('mount', ['-t', 'ext4', '-o', 'loop', this.#file, this.dir]);
  }

  /** From here on nothing reaches the disk, and nothing that was not synced is there. */
  cut(): void {
    const descriptor = openSync(this.dir, 'r');
    const flags = Buffer.alloc(4);
    flags.writeUInt32LE(NOLOGFLUSH);
    ioctl(descriptor, EXT4_IOC_SHUTDOWN, flags);
    closeSync(descriptor);
  }

  /** Resolves when no mount namespace has it mounted any more: all who used it must be gone. */
  async unmount(): Promise<void> {
    for (let round = 0; await this.#isInUse(); round++) {
      if (round > GONE_ROUNDS) throw new Error(`${this.#file} is still in use`);
      await delay(ROUND_MS);
    }
  }

  /** Processes that were killed just now may still hold it. */
  async #isInUse(): Promise<boolean> {
    const busy = await unmountAll(this.dir).then(
      () => false,
      (error: NodeJS.ErrnoException) => error.code === 'EBUSY',
    );
    return busy || execFileSync('losetup', ['-j', this.#file], { encoding: 'utf8' }) !== '';
  }
}
