/** The OCI runtime's own command line, for tasks that exist. */
import { run } from '@gantry/plugin-sdk/system/run.ts';
import type { Starter } from './hybrid-cgroups.ts';
import type { RuntimeProgram } from './programs.ts';
import { runtimeFailed } from './runtime-error.ts';

export type RuntimeStatus =
  | { readonly status: 'created' | 'running' | 'paused'; readonly pid: number }
  | { readonly status: 'stopped' }
  | { readonly status: 'absent' };

/** What an order says beside its verb and the id. */
export interface OrderWords {
  readonly options?: readonly string[];
  readonly args?: readonly string[];
}

export class RuntimeCommand {
  readonly #program: RuntimeProgram;
  readonly #root: string;
  readonly #starter: Starter;

  constructor(program: RuntimeProgram, root: string, starter: Starter) {
    this.#program = program;
    this.#root = root;
    this.#starter = starter;
  }

  /** `options` come before the id. Throws Unknown with what the runtime said when it fails. */
  async call(
    verb: string,
    id: string,
    { options = [], args = [] }: OrderWords,
    signal: AbortSignal,
  ): Promise<void> {
    const { code, stderr } = await this.#run([verb, ...options, id, ...args], signal);
    if (code !== 0) throw runtimeFailed(verb, id, stderr);
  }

  /** Ends the container if need be, and forgets it; one that is not there is success. */
  async delete(id: string, signal: AbortSignal): Promise<void> {
    const { code, stderr } = await this.#run(['delete', '--force', id], signal);
    if (code !== 0) throw runtimeFailed('delete', id, stderr);
  }

  /** A runtime fails for an id that it does not know, and has no other answer. */
  async status(id: string, signal: AbortSignal): Promise<RuntimeStatus> {
    const { code, stdout } = await this.#run(['state', id], signal);
    if (code !== 0) return { status: 'absent' };
    const { status, pid } = JSON.parse(stdout) as { status: string; pid: number };
    if (status === 'created' || status === 'running' || status === 'paused') return { status, pid };
    // `creating`: its creation was cut short.
    return { status: 'stopped' };
  }

  #run(args: readonly string[], signal: AbortSignal) {
    return this.#starter(() =>
      run(this.#program.path, [...this.#program.args, '--root', this.#root, ...args], { signal }),
    );
  }
}
