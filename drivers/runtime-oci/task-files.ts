/**
 * What is known of a task on disk. Everything of one task is in one directory, which is also its bundle and the working
 * directory of its conmon; that the directory is there means that something may be left to delete. Each of its execs
 * has the same in a directory below.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { OciProcess, TaskExit } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';

/** What a later daemon has to know and conmon does not write down. */
export interface TaskNote {
  readonly terminal: boolean;
  readonly cgroupsPath: string | undefined;
  /** Whether the runtime has commands to run when it deletes the container. */
  readonly hooks: boolean;
}

/** One process for good: a pid alone is given out again. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: string;
}

const EXECS = 'exec';
const UNKNOWN = 'unknown';
const UNKNOWN_CODE = 255;

export class TaskFiles {
  readonly id: string;
  readonly dir: string;
  /** conmon names the file for the container. */
  readonly #exitFile: string;

  constructor(tasksDir: string, id: string, containerId = id) {
    // The id becomes a file name, a cgroup and an argument.
    if (!/^[a-zA-Z0-9][\w.-]{0,127}$/.test(id)) {
      throw new HostError('InvalidArgument', 'INVALID_TASK_ID', `invalid task id: ${JSON.stringify(id)}`);
    }
    this.id = id;
    this.dir = join(tasksDir, id);
    this.#exitFile = join(this.dir, containerId);
  }

  exec(execId: string): TaskFiles {
    return new TaskFiles(join(this.dir, EXECS), execId, this.id);
  }

  execIds(): readonly string[] {
    const dir = join(this.dir, EXECS);
    return existsSync(dir) ? readdirSync(dir) : [];
  }

  /** Holds the pid of the container's first process; the runtime writes it at the end of a creation. */
  get pid(): string {
    return join(this.dir, 'pid');
  }

  /** conmon makes it when the kernel has killed one of the container's processes for want of memory. */
  get oom(): string {
    return join(this.dir, 'oom');
  }

  get attachSocket(): string {
    return join(this.dir, 'attach');
  }

  get control(): string {
    return join(this.dir, 'ctl');
  }

  exists(): boolean {
    return existsSync(this.dir);
  }

  writeBundle(spec: string, note: TaskNote): void {
    this.#makeDirectory();
    writeFileSync(join(this.dir, 'note.json'), JSON.stringify(note));
    writeFileSync(join(this.dir, 'config.json'), spec);
  }

  /** Answers the path. */
  writeResources(text: string): string {
    const path = join(this.dir, 'resources.json');
    writeFileSync(path, text);
    return path;
  }

  /** Of an exec. */
  get process(): string {
    return join(this.dir, 'process.json');
  }

  /** Of an exec with a terminal, where the runtime would say why it failed. */
  get runtimeLog(): string {
    return join(this.dir, 'runtime.log');
  }

  readRuntimeLog(): string {
    return readIfThere(this.runtimeLog) ?? '';
  }

  writeExec(process: OciProcess): void {
    mkdirSync(dirname(this.dir), { recursive: true, mode: 0o700 });
    this.#makeDirectory();
    const note: TaskNote = { terminal: process.terminal, cgroupsPath: undefined, hooks: false };
    writeFileSync(join(this.dir, 'note.json'), JSON.stringify(note));
    writeFileSync(this.process, JSON.stringify(process));
  }

  #makeDirectory(): void {
    try {
      mkdirSync(this.dir, { mode: 0o700 });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      throw new HostError(
        'AlreadyExists',
        'TASK_EXISTS',
        `create task "${this.id}": there is one of that id`,
      );
    }
  }

  readNote(): TaskNote | undefined {
    return readJson<TaskNote>(join(this.dir, 'note.json'));
  }

  writeConmon(conmon: ProcessIdentity): void {
    writeFileSync(join(this.dir, 'conmon.json'), JSON.stringify(conmon));
  }

  readConmon(): ProcessIdentity | undefined {
    return readJson<ProcessIdentity>(join(this.dir, 'conmon.json'));
  }

  /** Writes down what the runtime has just been told to do with the container. */
  note(status: 'running' | 'paused'): void {
    writeFileSync(join(this.dir, 'status'), status);
  }

  /** What was noted last, with the container's pid; undefined before it was started. */
  readNoted(): { readonly status: 'running' | 'paused'; readonly pid: number } | undefined {
    const status = readIfThere(join(this.dir, 'status'));
    const pid = Number(readIfThere(this.pid));
    return (status === 'running' || status === 'paused') && pid > 0 ? { status, pid } : undefined;
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** The first process, once the runtime has made it. */
  readPid(): number | undefined {
    return Number(readIfThere(this.pid)) || undefined;
  }

  /** conmon writes the file whole, and does so after the last line of the log. */
  readExit(): TaskExit | undefined {
    const path = this.#exitFile;
    const text = readIfThere(path);
    if (text === undefined) return undefined;
    const at = nanosecondTime(statSync(path, { bigint: true }).mtimeNs);
    const oomKilled = existsSync(this.oom);
    if (text === UNKNOWN) return { code: UNKNOWN_CODE, at, oomKilled, unknown: true };
    return { code: Number(text), at, oomKilled };
  }

  /** Where conmon has been killed nobody else knows the code. A file that is there already stands. */
  writeUnknownExit(): void {
    try {
      writeFileSync(this.#exitFile, UNKNOWN, { flag: 'wx' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Undefined also for a file whose writing was cut short. */
function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readIfThere(path) ?? '') as T;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** RFC 3339 with nine digits, which Date does not have. */
function nanosecondTime(nanoseconds: bigint): string {
  const seconds = new Date(Number(nanoseconds / 1_000_000_000n) * 1_000).toISOString().slice(0, 19);
  return `${seconds}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}Z`;
}
