/** Workers, each a process with a mount namespace of its own, and the directory that all of them work in. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Job, Measured, Result } from './worker.ts';

const PROGRAM = join(import.meta.dirname, 'worker.ts');
const MEMORY = '/dev/shm';
const ENOUGH_BYTES = 2 * 1024 ** 3;

export class Workers {
  readonly #dir = mkdtempSync(join(fastDirectory(), 'gantry-crash-'));
  readonly #all: Worker[] = [];

  /** `count` workers, with a template that their machines are made of. */
  static async start(count: number): Promise<Workers> {
    const workers = new Workers();
    const template = join(workers.#dir, 'template.img');
    for (let index = 0; index < count; index++)
      workers.#all.push(startWorker(join(workers.#dir, `w${index}`), template));
    const { faults } = await ask(workers.#first(), { do: 'template', file: template });
    if (faults.length > 0) throw new Error(faults.join('\n'));
    return workers;
  }

  async measure(scenario: number): Promise<Measured> {
    const { measured, faults, log } = await ask(this.#first(), { do: 'measure', scenario });
    if (!measured) throw new Error(`scenario ${scenario} fails by itself: ${faults.join('\n')}\n${log}`);
    return measured;
  }

  /** Every worker takes the next job when it is done with one; `next` answers undefined when there is none. */
  async work(next: () => Job | undefined, tell: (job: Job, result: Result) => void): Promise<void> {
    await Promise.all(
      this.#all.map(async (worker) => {
        for (let job = next(); job; job = next()) tell(job, await ask(worker, job));
      }),
    );
  }

  /** Resolves when all are gone with everything they made. */
  async stop(): Promise<void> {
    await Promise.all(
      this.#all.map(async (worker) => {
        if (worker.process.connected) worker.process.disconnect();
        await worker.ended;
      }),
    );
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #first(): Worker {
    const [first] = this.#all;
    if (!first) throw new Error('there are no workers');
    return first;
  }
}

interface Worker {
  readonly process: ChildProcess;
  readonly ended: Promise<unknown>;
}

function startWorker(dir: string, template: string): Worker {
  const flags = ['-m', '--propagation', 'private', process.execPath, '--disable-warning=ExperimentalWarning'];
  const child = spawn('unshare', [...flags, PROGRAM, dir, template], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return { process: child, ended: once(child, 'exit') };
}

async function ask({ process: child, ended }: Worker, job: Job): Promise<Result> {
  const { promise, resolve } = Promise.withResolvers<Result>();
  child.once('message', resolve);
  void ended.then(() => resolve({ points: 0, faults: ['the worker has ended'] }));
  child.send(job);
  return promise;
}

/** Memory where there is enough of it: the sweep is about order, not about the disk's speed. */
function fastDirectory(): string {
  try {
    accessSync(MEMORY, constants.W_OK);
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize > ENOUGH_BYTES ? MEMORY : tmpdir();
  } catch {
    return tmpdir();
  }
}
