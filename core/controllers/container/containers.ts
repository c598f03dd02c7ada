/** The containers: what routes call, and what the daemon does with them at its start. */

import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { runtimePoint, type StdioEndpoint, type TaskState } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { HostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import { containerEvent } from '../../events/emit.ts';
import type { ContainerHealth, ContainerRecord } from '../../store/record-types.ts';
import { containerLogs, type LogsRequest, requireReadableLog } from '../logs/container-logs.ts';
import type { LogConfig } from '../logs/log-config.ts';
import type { AttachRequest } from './attachment.ts';
import { type ContainerContext, isRestarting, ZERO_TIME } from './context.ts';
import { type Created, createContainer } from './create.ts';
import { monitor, removeRecord, settleExit } from './exit.ts';
import { findContainer } from './find.ts';
import { killContainer, removeContainer, restartContainer, stopContainer } from './lifecycle.ts';
import { notePaused, pauseContainer, unpauseContainer } from './pause.ts';
import { type PruneResult, pruneContainers } from './prune.ts';
import { renameContainer } from './rename.ts';
import { beginRestarts } from './restart.ts';
import { startContainer } from './start.ts';
import { containerTop, type ProcessTable } from './top.ts';
import { resumeUpdate, updateContainer } from './update.ts';
import type { WaitCondition, WaitResult } from './waiters.ts';

export class Containers {
  readonly #ctx: ContainerContext;

  constructor(ctx: ContainerContext) {
    this.#ctx = ctx;
  }

  find(reference: string): ContainerRecord {
    return findContainer(this.#ctx.store, reference);
  }

  all(): readonly ContainerRecord[] {
    return this.#ctx.store.records.all('container');
  }

  /** A client is there, and may start something. Returns at once. */
  anticipate(): void {
    const { drivers, defaults, stopping } = this.#ctx;
    void drivers
      .driver(runtimePoint, defaults.runtime)
      .then((driver) => driver.anticipate?.({}, { signal: stopping }))
      .catch(() => {}); // what is only slower without
  }

  /** Whether the log driver takes its options. Errors: InvalidArgument, in its words. */
  async checkLog(config: LogConfig): Promise<void> {
    await this.#ctx.logs.check(config, '');
  }

  /** Of health checks, since the daemon's start. */
  get probeCounts(): { readonly probes: number; readonly failures: number } {
    return this.#ctx.health.counts;
  }

  health(record: ContainerRecord): ContainerHealth | undefined {
    return this.#ctx.health.of(record);
  }

  create(
    body: Readonly<Record<string, unknown>>,
    options: { readonly name: string; readonly platform: string },
    signal: AbortSignal,
  ): Promise<Created> {
    return createContainer(this.#ctx, body, options, signal);
  }

  start(reference: string, signal: AbortSignal): Promise<boolean> {
    return startContainer(this.#ctx, reference, signal);
  }

  stop(
    reference: string,
    options: { seconds: number | undefined; signal: string },
    signal: AbortSignal,
  ): Promise<boolean> {
    return stopContainer(this.#ctx, reference, options, signal);
  }

  restart(
    reference: string,
    options: { seconds: number | undefined; signal: string },
    signal: AbortSignal,
  ): Promise<void> {
    return restartContainer(this.#ctx, reference, options, signal);
  }

  kill(reference: string, signalText: string, signal: AbortSignal): Promise<void> {
    return killContainer(this.#ctx, reference, signalText, signal);
  }

  remove(
    reference: string,
    options: { force: boolean; volumes: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    return removeContainer(this.#ctx, reference, options, signal);
  }

  pause(reference: string, signal: AbortSignal): Promise<void> {
    return pauseContainer(this.#ctx, reference, signal);
  }

  unpause(reference: string, signal: AbortSignal): Promise<void> {
    return unpauseContainer(this.#ctx, reference, signal);
  }

  rename(reference: string, name: string, signal: AbortSignal): Promise<void> {
    return renameContainer(this.#ctx, reference, name, signal);
  }

  update(reference: string, body: unknown, signal: AbortSignal): Promise<readonly string[]> {
    return updateContainer(this.#ctx, reference, body, signal);
  }

  prune(wanted: (record: ContainerRecord) => boolean, signal: AbortSignal): Promise<PruneResult> {
    return pruneContainers(this.#ctx, wanted, signal);
  }

  /** Rejects when `signal` aborts. */
  wait(reference: string, condition: WaitCondition, signal: AbortSignal): Promise<WaitResult> {
    const record = this.find(reference);
    const { status } = record.state;
    if (condition === 'not-running' && status !== 'running' && status !== 'restarting') {
      return Promise.resolve({ exitCode: record.state.exitCode });
    }
    return this.#ctx.waiters.wait(record.id, condition, signal);
  }

  async attach(
    reference: string,
    client: Duplex,
    request: AttachRequest,
    signal: AbortSignal,
  ): Promise<void> {
    const record = this.find(reference);
    const endpoint = await this.#stdio(record.id, signal);
    await this.#ctx.attachments.attach(record.id, client, this.#tellsDetach(record, request), endpoint);
  }

  /** Errors: Conflict while nobody may attach. */
  checkAttachable(reference: string): ContainerRecord {
    const record = this.find(reference);
    const { id, state } = record;
    if (state.paused) {
      const message = `container ${id} is paused, unpause the container before attach`;
      throw new HostError('Conflict', 'CONTAINER_PAUSED', message);
    }
    if (state.status === 'restarting') throw isRestarting('container', id);
    return record;
  }

  #tellsDetach(record: ContainerRecord, request: AttachRequest): AttachRequest {
    return { ...request, onDetach: () => containerEvent(this.#ctx.events, record, 'detach') };
  }

  /**
   * Attaches with what was written so far. Of a container that runs all output comes from its log, which has every byte
   * once, and its stdio only takes the client's input: the two could not be joined without a gap or a repetition.
   */
  async attachWithLogs(
    reference: string,
    client: Duplex,
    request: AttachRequest,
    signal: AbortSignal,
  ): Promise<void> {
    const record = this.find(reference);
    const { id, state } = record;
    if (state.status !== 'running') {
      await this.replay(id, client, request, signal);
      return this.attach(id, client, request, signal);
    }
    const endpoint = request.stdin ? await this.#stdio(id, signal) : undefined;
    const left = new AbortController();
    if (endpoint) {
      const told = this.#tellsDetach(record, request);
      await this.#ctx.attachments.attachInput(client, told, endpoint, () => left.abort());
    } else client.resume();
    await this.replay(id, client, { ...request, follow: true }, AbortSignal.any([signal, left.signal])).catch(
      (error: unknown) => {
        if (!left.signal.aborted) throw error;
      },
    );
    client.resume().end();
  }

  /** Writes what the container wrote so far to the client, which stays. */
  async replay(
    reference: string,
    client: Duplex,
    request: Pick<LogsRequest, 'stdout' | 'stderr'> & { readonly follow?: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    const left = new AbortController();
    client.once('close', () => left.abort());
    const whole = { follow: false, tail: -1, timestamps: false, details: false };
    const output = this.logs(reference, { ...whole, ...request }, AbortSignal.any([signal, left.signal]));
    await pipeline(output, client, { end: false });
  }

  /** Where the container's stdio is reached; undefined while it does not run. */
  async #stdio(id: string, signal: AbortSignal): Promise<StdioEndpoint | undefined> {
    const { runtime, state } = this.checkAttachable(id);
    if (state.status !== 'running') return undefined;
    return (await this.#ctx.drivers.driver(runtimePoint, runtime)).attach({ id }, { signal });
  }

  /** Throws when there is no log to be read. */
  requireReadableLog(record: ContainerRecord): void {
    requireReadableLog(this.#ctx, record);
  }

  /** What the container wrote, as Docker's clients get it; `follow` goes on until it ends. */
  logs(reference: string, request: LogsRequest, signal: AbortSignal): AsyncGenerator<Buffer> {
    return containerLogs(this.#ctx, this.find(reference), request, signal);
  }

  top(reference: string, psArgs: string, signal: AbortSignal): Promise<ProcessTable> {
    return containerTop(this.#ctx, reference, psArgs, signal);
  }

  async resize(reference: string, rows: number, columns: number, signal: AbortSignal): Promise<void> {
    const record = this.find(reference);
    const { id, runtime, state } = record;
    if (state.status !== 'running')
      throw new HostError('Conflict', 'NOT_RUNNING', `container ${id} is not running`);
    await (await this.#ctx.drivers.driver(runtimePoint, runtime)).resize({ id, rows, columns }, { signal });
    containerEvent(this.#ctx.events, record, 'resize', { height: String(rows), width: String(columns) });
  }

  /** The daemon stops: logs are carried on by the next one. */
  letGo(): void {
    this.#ctx.logs.stop();
  }

  /**
   * After a restart of the daemon or of the machine: what still runs is watched again, what has ended meanwhile is
   * settled. Resolves when every record says what is true.
   */
  async adopt(): Promise<void> {
    await this.#ctx.logs.adopt(this.all());
    await Promise.all(
      this.all().map((record) =>
        this.#adoptOne(record).catch((error: unknown) => {
          this.#ctx.log.error({ container: record.id, error: messageChain(error) }, 'container not adopted');
        }),
      ),
    );
  }

  /** From here on containers are started by their policies, at first those that it starts with the daemon. */
  beginRestarts(): void {
    void beginRestarts(this.#ctx).catch((error: unknown) => {
      if (!this.#ctx.stopping.aborted)
        this.#ctx.log.error({ error: messageChain(error) }, 'containers not started');
    });
  }

  async #adoptOne(record: ContainerRecord): Promise<void> {
    const ctx = this.#ctx;
    if (record.state.status !== 'running') {
      if (record.limitsBefore) await resumeUpdate(ctx, record);
      // A crash between the start's failure and the removal that `--rm` promised.
      if (record.autoRemove && record.state.startedAt !== ZERO_TIME && record.state.status === 'exited') {
        await ctx.locks.hold([`container/${record.id}`], undefined, () =>
          removeRecord(ctx, record, AbortSignal.timeout(30_000)),
        );
      }
      return;
    }
    const state = await this.#stateOf(record);
    if (state.status === 'running' || state.status === 'paused') {
      const paused = state.status === 'paused';
      // The daemon was killed between the freezing and the writing down.
      const isOurs = ctx.store
        .openOperations()
        .some(({ makes }) => makes.some(({ key }) => key === `task-pause/${record.id}`));
      if (!isOurs && paused !== (record.state.paused === true)) await notePaused(ctx, record, paused);
      if (record.limitsBefore) await resumeUpdate(ctx, record);
      return monitor(ctx, this.find(record.id), { adopted: true });
    }
    const unseen = { code: 255, at: new Date().toISOString(), oomKilled: false, unknown: true };
    await settleExit(ctx, record.id, state.status === 'stopped' ? state.exit : unseen);
  }

  async #stateOf({ id, runtime }: ContainerRecord): Promise<TaskState> {
    const driver = await this.#ctx.drivers.driver(runtimePoint, runtime);
    return driver.state({ id }, { signal: AbortSignal.timeout(10_000) });
  }
}
