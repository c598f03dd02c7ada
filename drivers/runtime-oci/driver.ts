/** Tasks as OCI bundles, run by crun or runc under conmon. Nothing is kept in memory: each call reads the task's files. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type {
  ExecId,
  ExecSpec,
  OciResources,
  OciSpec,
  RuntimeDriver,
  StdioEndpoint,
  TaskExit,
  TaskSpec,
  TaskState,
  TaskStats,
} from '@gantry/plugin-sdk/contracts/runtime.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { CallContext } from '@gantry/plugin-sdk/extension-point.ts';
import { killProcess } from '@gantry/plugin-sdk/system/kill.ts';
import { processStartTime, signalIf } from '@gantry/plugin-sdk/system/pidfd.ts';
import type { SeccompSection } from '@gantry/plugin-sdk/system/seccomp.ts';
import { Anticipation } from './anticipation.ts';
import { endCgroup, endContainerCgroup, enterCgroup } from './cgroup.ts';
import { createUnderConmon } from './conmon.ts';
import { isAlive, notRunning, tellConmon } from './conmon-process.ts';
import { TaskExecs } from './execs.ts';
import { conmonEnd, taskExit } from './exit.ts';
import { type Starter, starterFor } from './hybrid-cgroups.ts';
import { oomOf, withOom } from './oom.ts';
import type { ConmonProgram, RuntimeProgram } from './programs.ts';
import { type OrderWords, RuntimeCommand } from './runtime-command.ts';
import type { SeccompCache } from './seccomp-cache.ts';
import { processesOf, taskStats } from './stats.ts';
import { TaskFiles } from './task-files.ts';

/** Source: linux/threads.h, PID_MAX_LIMIT on machines of 64 bits. */
const MOST_PIDS = 4 * 1024 * 1024;

const COMPILED_SECCOMP = 'run.oci.seccomp_bpf_data';

/** How long a conmon whose container is gone may take to write down the exit. */
const CONMON_GRACE_MS = 2_000;

export interface RuntimeOciParts {
  readonly runtime: RuntimeProgram;
  readonly conmon: ConmonProgram;
  readonly seccomp: SeccompCache;
  readonly tasksDir: string;
  readonly runtimeRoot: string;
  /** The cgroup hierarchy that a service manager looks at, if there is one. */
  readonly hierarchy: string | undefined;
  /** Path in it below which each conmon gets a cgroup. */
  readonly conmonCgroup: string;
}

interface Call {
  readonly id: string;
}

export class RuntimeOci implements RuntimeDriver {
  readonly #parts: RuntimeOciParts;
  readonly #command: RuntimeCommand;
  readonly #starter: Starter;
  readonly #execs: TaskExecs;
  readonly #anticipation: Anticipation;

  constructor(parts: RuntimeOciParts) {
    this.#parts = parts;
    this.#starter = starterFor(parts.runtime.name, [
      parts.tasksDir,
      parts.runtimeRoot,
      parts.conmon.path,
      parts.runtime.path,
    ]);
    this.#anticipation = new Anticipation(parts.hierarchy);
    this.#command = new RuntimeCommand(parts.runtime, parts.runtimeRoot, this.#starter);
    this.#execs = new TaskExecs({
      program: parts.conmon,
      runtimePath: parts.runtime.path,
      runtimeArgs: parts.runtime.args,
      runtimeRoot: parts.runtimeRoot,
      starter: this.#starter,
      enterCgroup: (id, pid) => this.#enterConmonCgroup(id, pid),
    });
  }

  async create(task: TaskSpec, { signal }: CallContext): Promise<{ pid: number }> {
    const { conmon, runtime, runtimeRoot } = this.#parts;
    const files = this.#files(task.id);
    files.writeBundle(this.#specText(task.spec), {
      terminal: task.spec.process.terminal,
      cgroupsPath: task.spec.linux.cgroupsPath as string | undefined,
      hooks: 'hooks' in task.spec,
    });
    const pid = await createUnderConmon({
      program: conmon,
      runtimePath: runtime.path,
      runtimeArgs: runtime.args,
      starter: this.#starter,
      runtimeRoot,
      files,
      task,
      signal,
      beforeCreate: async (pid) => {
        files.writeConmon({ pid, startTime: processStartTime(pid) ?? '' });
        await this.#enterConmonCgroup(task.id, pid);
      },
    });
    return { pid };
  }

  async start({ id }: Call, { signal }: CallContext): Promise<void> {
    const files = this.#existing(id);
    await this.#act('start', files, {}, signal);
    files.note('running');
  }

  /** By the task's own pid where that is certain: as long as conmon has not told of its end it is nobody else's. */
  async signal(call: Call & { signal: number }, { signal }: CallContext): Promise<void> {
    const files = this.#existing(call.id);
    const pid = files.readPid();
    const isIt = () => files.readExit() === undefined && isAlive(files);
    if (pid !== undefined && signalIf(pid, call.signal, isIt)) return;
    await this.#act('kill', files, { args: [String(call.signal)] }, signal);
  }

  async anticipate(): Promise<void> {
    this.#anticipation.begin();
  }

  async pause({ id }: Call, { signal }: CallContext): Promise<void> {
    const files = this.#existing(id);
    await this.#act('pause', files, {}, signal);
    files.note('paused');
  }

  async resume({ id }: Call, { signal }: CallContext): Promise<void> {
    const files = this.#existing(id);
    await this.#act('resume', files, {}, signal);
    files.note('running');
  }

  async update(
    { id, resources }: Call & { resources: OciResources },
    { signal }: CallContext,
  ): Promise<void> {
    const files = this.#existing(id);
    const file = files.writeResources(JSON.stringify(this.#understood(resources)));
    await this.#act('update', files, { options: ['--resources', file] }, signal);
  }

  /** crun writes -1 as it is, which the kernel refuses; as many processes as it can number are no limit either. */
  #understood(resources: OciResources): OciResources {
    const isUnlimited = resources.pids !== undefined && resources.pids.limit < 0;
    if (this.#parts.runtime.name !== 'crun' || !isUnlimited) return resources;
    return { ...resources, pids: { limit: MOST_PIDS } };
  }

  async attach({ id }: Call): Promise<StdioEndpoint> {
    const files = this.#existing(id);
    if (files.readExit() !== undefined) throw notRunning('attach to', id);
    return { path: files.attachSocket, framing: 'seqpacket-tagged' };
  }

  async resize({ id, rows, columns }: Call & { rows: number; columns: number }): Promise<void> {
    const files = this.#existing(id);
    if (files.readNote()?.terminal !== true) {
      throw new HostError('FailedPrecondition', 'NO_TERMINAL', `resize task "${id}": it has no terminal`);
    }
    tellConmon(files, `1 ${rows} ${columns}\n`);
  }

  async stats({ id }: Call): Promise<TaskStats> {
    const files = this.#existing(id);
    const pid = files.readPid();
    if (files.readExit() !== undefined || pid === undefined) throw notRunning('look at', id);
    return taskStats(files.readNote()?.cgroupsPath ?? '/', pid);
  }

  async processes({ id }: Call): Promise<readonly number[]> {
    const files = this.#existing(id);
    if (files.readExit() !== undefined) throw notRunning('look at', id);
    return processesOf(files.readNote()?.cgroupsPath ?? '/');
  }

  async reopenLog({ id }: Call): Promise<void> {
    tellConmon(this.#existing(id), '2 0 0\n');
  }

  async exec(exec: ExecSpec, { signal }: CallContext): Promise<StdioEndpoint> {
    return this.#execs.setUp(this.#existing(exec.id), exec, signal);
  }

  async execStart(exec: ExecId, { signal }: CallContext): Promise<{ pid: number }> {
    return this.#execs.start(this.#existing(exec.id), exec, signal);
  }

  async execResize(exec: ExecId & { rows: number; columns: number }): Promise<void> {
    this.#execs.resize(this.#existing(exec.id), exec);
  }

  async execWait(exec: ExecId, { signal }: CallContext): Promise<TaskExit> {
    return this.#execs.wait(this.#existing(exec.id), exec, signal);
  }

  async execDelete({ id, execId }: ExecId, { signal }: CallContext): Promise<void> {
    await this.#execs.delete(this.#files(id), execId, signal);
  }

  wait({ id }: Call, { signal }: CallContext): Promise<TaskExit> {
    return this.#exit(this.#existing(id), signal);
  }

  waitOom({ id }: Call, { signal }: CallContext): Promise<void> {
    return oomOf(this.#existing(id), signal);
  }

  async state({ id }: Call, { signal }: CallContext): Promise<TaskState> {
    const files = this.#files(id);
    if (!files.exists()) return { status: 'absent' };
    const exit = files.readExit();
    if (exit !== undefined) return { status: 'stopped', exit: withOom(exit, files) };
    // While its conmon lives the files tell all; the runtime is a process of its own to ask, for each task at a start.
    const noted = files.readNoted();
    if (noted && isAlive(files)) return noted;
    const found = await this.#command.status(id, signal);
    if (found.status !== 'stopped') return found;
    return { status: 'stopped', exit: await this.#exit(files, signal) };
  }

  async delete({ id }: Call, { signal }: CallContext): Promise<void> {
    const files = this.#files(id);
    if (!files.exists()) return;
    const note = files.readNote();
    const exit = files.readExit();
    // Without a pid a creation is under way or was cut short: what it would make later must not come to be.
    if (!existsSync(files.pid)) await this.#endConmon(files, signal);
    const plain =
      this.#parts.runtime.keepsFilesOnly && note?.hooks === false && exit !== undefined && !exit.unknown;
    if (!plain) await this.#command.delete(id, signal);
    if (exit === undefined) await conmonEnd(files, signal, CONMON_GRACE_MS);
    await this.#execs.endAll(files, signal);
    await this.#endConmon(files, signal);
    if (note?.cgroupsPath !== undefined) await endContainerCgroup(note.cgroupsPath, signal);
    rmSync(join(this.#parts.runtimeRoot, id), { recursive: true, force: true });
    files.remove();
  }

  async list(): Promise<readonly string[]> {
    return readdirSync(this.#parts.tasksDir);
  }

  async version(): Promise<{ name: string; version: string }> {
    return { name: this.#parts.runtime.name, version: this.#parts.runtime.version };
  }

  #files(id: string): TaskFiles {
    return new TaskFiles(this.#parts.tasksDir, id);
  }

  #existing(id: string): TaskFiles {
    const files = this.#files(id);
    if (!files.exists()) throw new HostError('NotFound', 'TASK_NOT_FOUND', `no such task: "${id}"`);
    return files;
  }

  /** The whole seccomp section stays beside the compiled filter: a runtime that ignores the one takes the other. */
  #specText(spec: OciSpec): string {
    const section = spec.linux.seccomp as SeccompSection | undefined;
    const program =
      section && this.#parts.runtime.takesCompiledSeccomp ? this.#parts.seccomp.get(section) : undefined;
    if (program === undefined) return JSON.stringify(spec);
    return JSON.stringify({ ...spec, annotations: { ...spec.annotations, [COMPILED_SECCOMP]: program } });
  }

  #conmonCgroup(id: string): string | undefined {
    const { hierarchy, conmonCgroup } = this.#parts;
    return hierarchy && join(hierarchy, conmonCgroup, id);
  }

  async #enterConmonCgroup(id: string, pid: number): Promise<void> {
    const cgroup = this.#conmonCgroup(id);
    if (cgroup !== undefined) await enterCgroup(cgroup, pid);
  }

  /** Ends conmon, if it lives, with a runtime that it may be waiting for. */
  async #endConmon(files: TaskFiles, signal: AbortSignal): Promise<void> {
    const conmon = files.readConmon();
    if (conmon && isAlive(files)) killProcess(conmon.pid);
    const cgroup = this.#conmonCgroup(files.id);
    if (cgroup !== undefined) await endCgroup(cgroup, signal);
  }

  async #exit(files: TaskFiles, signal: AbortSignal): Promise<TaskExit> {
    const containerPid = async () => {
      const found = await this.#command.status(files.id, signal);
      return 'pid' in found ? found.pid : undefined;
    };
    return withOom(await taskExit(files, containerPid, signal), files);
  }

  /** A runtime says why it failed in words only, so the reason is looked up afterwards. */
  async #act(verb: string, files: TaskFiles, words: OrderWords, signal: AbortSignal): Promise<void> {
    if (files.readExit() !== undefined) throw notRunning(verb, files.id);
    try {
      await this.#command.call(verb, files.id, words, signal);
    } catch (error) {
      signal.throwIfAborted();
      const { status } = await this.#command.status(files.id, signal);
      if (status === 'stopped' || status === 'absent') throw notRunning(verb, files.id, error);
      throw error;
    }
  }
}
