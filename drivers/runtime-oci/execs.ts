/** The execs of tasks: each a conmon in its task's conmon cgroup, and a directory below the task's. */
import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecId, ExecSpec, StdioEndpoint, TaskExit } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { killProcess } from '@gantry/plugin-sdk/system/kill.ts';
import { processStartTime } from '@gantry/plugin-sdk/system/pidfd.ts';
import { isAlive, notRunning, tellConmon } from './conmon-process.ts';
import { type ExecConmonOptions, setUpExec, type WaitingExec } from './exec-conmon.ts';
import { conmonEnd, taskExit } from './exit.ts';
import type { TaskFiles } from './task-files.ts';

/** How long the conmon of an exec that has been killed may take to write down the exit. */
const CONMON_GRACE_MS = 2_000;

export type ExecParts = Pick<
  ExecConmonOptions,
  'program' | 'runtimePath' | 'runtimeArgs' | 'starter' | 'runtimeRoot'
> & {
  readonly enterCgroup: (taskId: string, pid: number) => Promise<void>;
};

export class TaskExecs {
  readonly #parts: ExecParts;
  /** Set up and not started yet, by the directory. */
  readonly #waiting = new Map<string, WaitingExec>();
  /** `oomScoreAdj` of those, where it is not 0. */
  readonly #oomScores = new Map<string, number>();
  /** Whoever waits for an end, by the directory: it is read before the directory goes. */
  readonly #waits = new Map<string, Promise<unknown>>();

  constructor(parts: ExecParts) {
    this.#parts = parts;
  }

  async setUp(task: TaskFiles, exec: ExecSpec, signal: AbortSignal): Promise<StdioEndpoint> {
    if (task.readExit() !== undefined) throw notRunning('exec in', task.id);
    if (task.readNoted()?.status === 'paused') {
      throw new HostError('FailedPrecondition', 'TASK_PAUSED', `exec in task "${task.id}": it is paused`);
    }
    const files = task.exec(exec.execId);
    files.writeExec(exec.process);
    const { oomScoreAdj } = exec.process;
    if (typeof oomScoreAdj === 'number' && oomScoreAdj !== 0) this.#oomScores.set(files.dir, oomScoreAdj);
    await setUpExec({
      ...this.#parts,
      files,
      exec,
      signal,
      beforeSetUp: (pid, waiting) => {
        this.#waiting.set(files.dir, waiting);
        files.writeConmon({ pid, startTime: processStartTime(pid) ?? '' });
      },
      whileSetUp: (pid) => this.#parts.enterCgroup(task.id, pid),
    });
    return { path: files.attachSocket, framing: 'seqpacket-tagged' };
  }

  async start(task: TaskFiles, { execId }: ExecId, signal: AbortSignal): Promise<{ pid: number }> {
    const files = existing(task, execId);
    const waiting = this.#waiting.get(files.dir);
    this.#waiting.delete(files.dir);
    if (!waiting) throw notRunning('start exec in', task.id);
    const pid = await waiting.start(signal);
    const oomScore = this.#oomScores.get(files.dir);
    if (oomScore !== undefined) setOomScore(pid, oomScore);
    return { pid };
  }

  resize(task: TaskFiles, { execId, rows, columns }: ExecId & { rows: number; columns: number }): void {
    const files = existing(task, execId);
    if (files.readNote()?.terminal !== true) {
      const message = `resize exec "${execId}" of task "${task.id}": it has no terminal`;
      throw new HostError('FailedPrecondition', 'NO_TERMINAL', message);
    }
    tellConmon(files, `1 ${rows} ${columns}\n`);
  }

  wait(task: TaskFiles, { execId }: ExecId, signal: AbortSignal): Promise<TaskExit> {
    const files = existing(task, execId);
    const exit = taskExit(files, async () => files.readPid(), signal);
    const settled = exit.then(
      () => this.#waits.delete(files.dir),
      () => this.#waits.delete(files.dir),
    );
    this.#waits.set(files.dir, settled);
    return exit;
  }

  async delete(task: TaskFiles, execId: string, signal: AbortSignal): Promise<void> {
    const files = task.exec(execId);
    if (!files.exists()) return;
    // While conmon has not told of its end, the process is there or has not been reaped: the pid is its own.
    const pid = files.readExit() === undefined && isAlive(files) ? files.readPid() : undefined;
    if (pid !== undefined) killProcess(pid);
    await this.#end(files, pid === undefined ? 0 : CONMON_GRACE_MS, signal);
    files.remove();
  }

  /** After the processes of the task: the conmons that saw theirs die write that down first. */
  async endAll(task: TaskFiles, signal: AbortSignal): Promise<void> {
    const all = task.execIds().map((execId) => task.exec(execId));
    await Promise.all(
      all.map((files) => this.#end(files, files.readPid() === undefined ? 0 : CONMON_GRACE_MS, signal)),
    );
  }

  /** Ends conmon, after its grace, and lets whoever waits read how that was before the files go. */
  async #end(files: TaskFiles, graceMs: number, signal: AbortSignal): Promise<void> {
    if (graceMs > 0) await conmonEnd(files, signal, graceMs);
    const conmon = files.readConmon();
    if (conmon && isAlive(files)) killProcess(conmon.pid);
    this.#oomScores.delete(files.dir);
    this.#waiting.get(files.dir)?.close();
    this.#waiting.delete(files.dir);
    const wait = this.#waits.get(files.dir);
    if (!wait) return;
    const given = new AbortController();
    await Promise.race([wait, delay(CONMON_GRACE_MS, undefined, given).catch(() => {})]);
    given.abort();
  }
}

/** crun 1.8 leaves it out for execs. A process that has ended needs none. */
function setOomScore(pid: number, score: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(score));
  } catch (error) {
    if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

function existing(task: TaskFiles, execId: string): TaskFiles {
  const files = task.exec(execId);
  if (files.exists()) return files;
  throw new HostError('NotFound', 'EXEC_NOT_FOUND', `No such exec instance: ${execId}`);
}
