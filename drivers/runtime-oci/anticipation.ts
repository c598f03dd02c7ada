/**
 * Keeps moves between cgroups quick while one is likely. The first in a while waits for a grace period of the kernel
 * (5 to 10 ms), and leaves the kernel's lock in a state in which the next 15 ms of moves do not wait. So as soon as
 * something may be started, this process is moved to the cgroup that it is in, again and again for a moment.
 */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const AGAIN_MS = 10;
const LONGEST_MS = 80;

export class Anticipation {
  readonly #procs: string | undefined;
  #until = 0;
  #runs = false;

  /** `hierarchy`: where the moves to come will be made; undefined makes `begin` do nothing. */
  constructor(hierarchy: string | undefined) {
    this.#procs = hierarchy && ownProcs(hierarchy);
  }

  /** Returns at once; the moves are made on libuv's pool. */
  begin(): void {
    this.#until = performance.now() + LONGEST_MS;
    if (this.#runs || this.#procs === undefined) return;
    this.#runs = true;
    void this.#run(this.#procs).finally(() => {
      this.#runs = false;
    });
  }

  async #run(procs: string): Promise<void> {
    try {
      while (performance.now() < this.#until) {
        await writeFile(procs, String(process.pid));
        await delay(AGAIN_MS, undefined, { ref: false });
      }
    } catch {
      // A cgroup that this process may not move itself in: then the first move waits.
    }
  }
}

/** `cgroup.procs` of the cgroup that this process is in. */
function ownProcs(hierarchy: string): string | undefined {
  const name = hierarchy.endsWith('/systemd') ? 'name=systemd' : '';
  const line = readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .find((one) => one.split(':')[1] === name);
  const path = line?.split(':').slice(2).join(':');
  return path === undefined ? undefined : join(hierarchy, path, 'cgroup.procs');
}
