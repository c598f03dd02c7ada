/** The execs of all containers: what routes call. */
import { randomBytes } from 'node:crypto';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { containerEvent } from '../../events/emit.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import type { ContainerContext } from './context.ts';
import { Exec } from './exec.ts';
import { type ConsoleSize, execConfig } from './exec-request.ts';
import { commandOf, type ExecClient, execRuntime, keyOf, runExec, runningContainer } from './exec-run.ts';

/** How long one that has ended can be asked for its exit code, unless so many have ended since. */
const REMEMBERED_MS = 300_000;
const REMEMBERED = 2_000;
/** A client sets the size right after it has asked for the start. */
const RESIZE_WAIT_MS = 10_000;

export interface ExecStart {
  readonly consoleSize: ConsoleSize | undefined;
  /** Gives the client's stream, once nothing but the process can fail; without, the exec runs detached. */
  readonly connect?: () => ExecClient;
}

export class Execs {
  readonly #ctx: ContainerContext;
  readonly #byId = new Map<string, Exec>();

  constructor(ctx: ContainerContext) {
    this.#ctx = ctx;
  }

  create(reference: string, body: unknown): Exec {
    const record = runningContainer(this.#ctx, reference);
    const config = execConfig(record, body);
    refusePaused(record);
    this.#dropForsaken();
    const container = { id: record.id, startedAt: record.state.startedAt };
    const exec = new Exec(randomBytes(32).toString('hex'), container, config);
    this.#byId.set(exec.id, exec);
    containerEvent(this.#ctx.events, record, `exec_create: ${commandOf(exec)}`, { execID: exec.id });
    return exec;
  }

  find(id: string): Exec {
    const exec = this.#byId.get(id);
    if (exec) return exec;
    throw new HostError('NotFound', 'EXEC_NOT_FOUND', `No such exec instance: ${id}`);
  }

  /** Ids of those of a container that have not ended. */
  idsOf(containerId: string): readonly string[] {
    const all = [...this.#byId.values()];
    return all.filter((exec) => exec.containerId === containerId && this.#isLive(exec)).map(({ id }) => id);
  }

  /** Resolves when the process runs. Errors after `connect` have been told to the client, and are in the log. */
  async start(id: string, { consoleSize, connect }: ExecStart): Promise<void> {
    const exec = this.find(id);
    refusePaused(runningContainer(this.#ctx, exec.containerId));
    exec.claim();
    void exec.ended.then(() => this.#forgetLater(exec));
    await runExec(this.#ctx, exec, consoleSize, connect).catch((error: unknown) => {
      if (!connect) throw error;
      this.#ctx.log.info({ container: exec.containerId, exec: id, error }, 'exec not started');
    });
  }

  /** Waits a while for one that is about to start. */
  async resize(id: string, rows: number, columns: number, signal: AbortSignal): Promise<void> {
    const exec = this.find(id);
    const { runtime } = runningContainer(this.#ctx, exec.containerId);
    await startedWithin(exec, AbortSignal.any([signal, AbortSignal.timeout(RESIZE_WAIT_MS)]));
    const driver = await execRuntime(this.#ctx, runtime);
    await driver.execResize({ ...keyOf(exec), rows, columns }, { signal });
  }

  /** One that was never started ends with its container. */
  #isLive(exec: Exec): boolean {
    if (exec.status !== 'created') return exec.status === 'running';
    const state = this.#ctx.store.records.get('container', exec.containerId)?.state;
    return state?.status === 'running' && state.startedAt === exec.containerStartedAt;
  }

  #dropForsaken(): void {
    for (const [id, exec] of this.#byId) {
      if (exec.status === 'created' && !this.#isLive(exec)) this.#byId.delete(id);
    }
  }

  /** A map goes in the order of the adding: the oldest first. */
  #forgetLater({ id }: Exec): void {
    setTimeout(() => this.#byId.delete(id), REMEMBERED_MS).unref();
    if (this.#byId.size <= REMEMBERED) return;
    for (const [old, { status }] of this.#byId) {
      if (status === 'ended' && old !== id) {
        this.#byId.delete(old);
        return;
      }
    }
  }
}

async function startedWithin(exec: Exec, signal: AbortSignal): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const giveUp = () => {
    reject(new HostError('FailedPrecondition', 'EXEC_NOT_STARTED', `exec ${exec.id} has not been started`));
  };
  signal.addEventListener('abort', giveUp);
  try {
    await Promise.race([exec.started, late]);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

function refusePaused({ id, state }: ContainerRecord): void {
  if (!state.paused) return;
  const message = `container ${id} is paused, unpause the container before exec`;
  throw new HostError('Conflict', 'CONTAINER_PAUSED', message);
}
