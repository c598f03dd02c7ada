/** One exec and how far it has come. Kept in memory only: it ends with its container, and is forgotten by a restart. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { ExecConfig } from './exec-request.ts';

export type ExecStatus = 'created' | 'running' | 'ended';

export class Exec {
  readonly id: string;
  readonly containerId: string;
  /** When the container was started that it belongs to: the next start of the container is none of its. */
  readonly containerStartedAt: string;
  readonly config: ExecConfig;
  readonly #process = Promise.withResolvers<void>();
  readonly #end = Promise.withResolvers<void>();
  readonly #gone = Promise.withResolvers<void>();
  #status: ExecStatus = 'created';
  #pid = 0;
  #exitCode: number | null = null;

  constructor(id: string, container: { id: string; startedAt: string }, config: ExecConfig) {
    this.id = id;
    this.containerId = container.id;
    this.containerStartedAt = container.startedAt;
    this.config = config;
  }

  get status(): ExecStatus {
    return this.#status;
  }

  /** On the host; 0 until the process runs, and stays when it has ended, as in Docker. */
  get pid(): number {
    return this.#pid;
  }

  /** Null until it has ended. */
  get exitCode(): number | null {
    return this.#exitCode;
  }

  /** Resolves when the process runs, or has failed to. */
  get started(): Promise<void> {
    return this.#process.promise;
  }

  get ended(): Promise<void> {
    return this.#end.promise;
  }

  /** Resolves when nothing is left of it. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** Errors: Conflict when it was started before. */
  claim(): void {
    if (this.#status !== 'created') {
      const what = this.#status === 'running' ? 'is already running' : 'has already run';
      throw new HostError('Conflict', 'EXEC_STARTED', `Error: Exec command ${this.id} ${what}`);
    }
    this.#status = 'running';
  }

  runs(pid: number): void {
    this.#pid = pid;
    this.#process.resolve();
  }

  removed(): void {
    this.#gone.resolve();
  }

  end(exitCode: number): void {
    this.#status = 'ended';
    this.#exitCode = exitCode;
    this.#process.resolve();
    this.#end.resolve();
  }
}
