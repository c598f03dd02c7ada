/**
 * Collects garbage when the daemon has nothing to do. V8 lets a heap grow as long as work goes on, and sees no reason to
 * look at it again when no more comes; a daemon is idle for most of its life, and shall be small then.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { giveBackMemory } from '@gantry/plugin-sdk/system/memory.ts';

const IDLE_MS = 3_000;

type Collect = (options: { type: 'major'; execution: 'async'; flavor: 'last-resort' }) => Promise<void>;

export class IdleCollector {
  readonly #idleMs: number;
  #timer: NodeJS.Timeout | undefined;
  #collect: Collect | undefined;

  constructor(idleMs = IDLE_MS) {
    this.#idleMs = idleMs;
  }

  /** Something has begun or ended. What only goes on, as somebody who follows events, leaves the daemon idle. */
  touched(): void {
    if (this.#timer) this.#timer.refresh();
    else this.#timer = setTimeout(() => void this.#run(), this.#idleMs).unref();
  }

  async #run(): Promise<void> {
    this.#timer = undefined;
    this.#collect ??= exposedCollector();
    await this.#collect({ type: 'major', execution: 'async', flavor: 'last-resort' });
    giveBackMemory();
  }
}

/** A context made after the flag has it, and no other. */
function exposedCollector(): Collect {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  setFlagsFromString('--no-expose-gc');
  return collect;
}
