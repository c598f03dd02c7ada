/**
 * Runtime contract, `gantry.runtime.v1`: processes in containers.
 *
 * Life of a task: `create` sets the container up and stops before the user's process runs; `start` lets it go; it ends
 * by itself or by `signal`; `wait` answers how; `delete` removes what is left. A task outlives the daemon: after a
 * restart `state` and `wait` work from the id alone. `delete` works after any crash, kills what still runs, and
 * may be repeated.
 */
import type { CallContext, ExtensionPoint } from '../extension-point.ts';

/** The OCI runtime specification's `process`; drivers pass on what they do not know. */
export interface OciProcess {
  readonly terminal: boolean;
  readonly user: {
    readonly uid: number;
    readonly gid: number;
    readonly additionalGids?: readonly number[];
  };
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly [key: string]: unknown;
}

/** The OCI runtime specification's `config.json`, as far as Gantry writes it; drivers pass on what they do not know. */
export interface OciSpec {
  readonly ociVersion: string;
  readonly process: OciProcess;
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname?: string;
  readonly mounts: readonly {
    destination: string;
    type: string;
    source: string;
    options: readonly string[];
  }[];
  readonly linux: Readonly<Record<string, unknown>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The OCI runtime specification's `linux.resources`, less devices. */
export interface OciResources {
  readonly memory?: Readonly<Record<string, unknown>>;
  readonly cpu?: Readonly<Record<string, unknown>>;
  readonly blockIO?: Readonly<Record<string, unknown>>;
  /** -1 is no limit. */
  readonly pids?: { readonly limit: number };
}

export interface TaskSpec {
  readonly id: string;
  readonly spec: OciSpec;
  /** Keep stdin open until the last attached client closes it. */
  readonly stdin: boolean;
  /** With `stdin` and no terminal: close it after the first client that attached has left. */
  readonly stdinOnce: boolean;
  /** File to which every line of output goes, in CRI format (`TIME stdout F text`); '' keeps none. */
  readonly logPath: string;
}

export type TaskState =
  | { readonly status: 'created' | 'running' | 'paused'; readonly pid: number }
  | { readonly status: 'stopped'; readonly exit: TaskExit }
  | { readonly status: 'absent' };

export interface TaskExit {
  /** 0 to 255; a signal is 128 + its number; 255 with `unknown` when nobody saw the exit. */
  readonly code: number;
  /** RFC 3339 with nanoseconds where known. */
  readonly at: string;
  readonly oomKilled: boolean;
  readonly unknown?: boolean;
}

/** One device's counters by what was done (`read`, `Write`, `Total`). */
export interface BlockCounter {
  readonly major: number;
  readonly minor: number;
  readonly op: string;
  readonly value: number;
}

export interface InterfaceCounters {
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

/** What a task has used since its start, and uses now. Times in nanoseconds, amounts in bytes. */
export interface TaskStats {
  readonly cpu: {
    readonly total: number;
    readonly user: number;
    readonly kernel: number;
    /** By processor, where the kernel tells. */
    readonly perCpu?: readonly number[];
    readonly periods: number;
    readonly throttledPeriods: number;
    readonly throttled: number;
  };
  readonly memory: {
    readonly usage: number;
    readonly maxUsage?: number;
    readonly failures?: number;
    /** Absent without one. */
    readonly limit?: number;
    /** The kernel's own `memory.stat`. */
    readonly stats: Readonly<Record<string, number>>;
  };
  readonly processes: { readonly current: number; readonly limit?: number };
  readonly blocks: { readonly bytes: readonly BlockCounter[]; readonly operations: readonly BlockCounter[] };
  /** By interface, without the loopback; absent in the host's network namespace. */
  readonly networks?: Readonly<Record<string, InterfaceCounters>>;
}

/**
 * Where a task's stdio is reached. `seqpacket-tagged`: a SOCK_SEQPACKET unix socket; each packet to the client starts
 * with a byte 2 (stdout) or 3 (stderr); bytes from the client are stdin, at most 8,192 a packet; end of input half-closes.
 */
export interface StdioEndpoint {
  readonly path: string;
  readonly framing: 'seqpacket-tagged';
}

/** Names an exec: a further process in a running task, beside the one it was created with. */
export interface ExecId {
  /** The task's. */
  readonly id: string;
  /** Unique within the task: 1 to 128 of `a-zA-Z0-9_.-`, the first a letter or digit. */
  readonly execId: string;
}

export interface ExecSpec extends ExecId {
  readonly process: OciProcess;
  /** Give it a stdin, which ends with the one client that attaches; without, it reads end of file at once. */
  readonly stdin: boolean;
}

export interface RuntimeDriver {
  /**
   * Errors: AlreadyExists; InvalidArgument with code COMMAND_NOT_FOUND or COMMAND_NOT_EXECUTABLE for `process.args[0]`.
   * After a failure something may be left: `delete` removes it.
   */
  create(task: TaskSpec, call: CallContext): Promise<{ pid: number }>;
  /** Errors, of this and what follows: NotFound, FailedPrecondition (has ended). */
  start(task: { id: string }, call: CallContext): Promise<void>;
  /** `signal`: a number, to the first process of the container. */
  signal(task: { id: string; signal: number }, call: CallContext): Promise<void>;
  /** Any number of clients may attach, from `create` on; each gets the output from then on. */
  attach(task: { id: string }, call: CallContext): Promise<StdioEndpoint>;
  /** Rows and columns in characters. Errors: FailedPrecondition without a terminal. */
  resize(task: { id: string; rows: number; columns: number }, call: CallContext): Promise<void>;
  /** Resolves when the task has ended, with all its output written to the log. */
  wait(task: { id: string }, call: CallContext): Promise<TaskExit>;
  state(task: { id: string }, call: CallContext): Promise<TaskState>;
  delete(task: { id: string }, call: CallContext): Promise<void>;
  list(none: Readonly<Record<string, never>>, call: CallContext): Promise<readonly string[]>;
  version(
    none: Readonly<Record<string, never>>,
    call: CallContext,
  ): Promise<{ name: string; version: string }>;
  /** Something is likely to be created within a moment: whatever can be made ready. Returns at once. */
  anticipate?(none: Readonly<Record<string, never>>, call: CallContext): Promise<void>;
  /**
   * Resolves when one of the task's processes has been killed for want of memory, at once when one has been before. May
   * stay open when the task ends: the exit says it too.
   */
  waitOom?(task: { id: string }, call: CallContext): Promise<void>;
  pause?(task: { id: string }, call: CallContext): Promise<void>;
  resume?(task: { id: string }, call: CallContext): Promise<void>;
  /**
   * Sets these limits of a task, running or paused; what is not named stays as it is. May be repeated. Errors: Unknown
   * when the kernel refuses one of them; others may then have been set.
   */
  update?(task: { id: string; resources: OciResources }, call: CallContext): Promise<void>;
  /** Starts no process, and waits for nothing. */
  stats?(task: { id: string }, call: CallContext): Promise<TaskStats>;
  /** Pids on the host of all processes of the task and its execs. */
  processes?(task: { id: string }, call: CallContext): Promise<readonly number[]>;
  /** Opens `logPath` anew, when what was there has been renamed. */
  reopenLog?(task: { id: string }, call: CallContext): Promise<void>;
  /**
   * Sets an exec up and answers where its stdio is, so that a client is attached before the process runs: it gets all
   * of the output, which goes to no log. One that has not been started when the driver ends may run or not. A driver
   * has all five methods of an exec or none. Errors: AlreadyExists; NotFound; FailedPrecondition (the task has ended,
   * or is paused). After a failure, of this and of `execStart`, something may be left: `execDelete` removes it.
   */
  exec?(exec: ExecSpec, call: CallContext): Promise<StdioEndpoint>;
  /**
   * Runs the process, and answers its pid on the host. Once only. Errors: InvalidArgument with code COMMAND_NOT_FOUND
   * or COMMAND_NOT_EXECUTABLE for `process.args[0]`; NotFound.
   */
  execStart?(exec: ExecId, call: CallContext): Promise<{ pid: number }>;
  /** Rows and columns in characters. Errors: FailedPrecondition without a terminal or after the end; NotFound. */
  execResize?(exec: ExecId & { rows: number; columns: number }, call: CallContext): Promise<void>;
  /** Resolves when the process has ended, with all its output sent. It ends with its task at the latest. */
  execWait?(exec: ExecId, call: CallContext): Promise<TaskExit>;
  /** Kills what still runs and removes what is left; may be repeated. `delete` of the task does it too. */
  execDelete?(exec: ExecId, call: CallContext): Promise<void>;
}

export const runtimePoint: ExtensionPoint<RuntimeDriver> = {
  id: 'gantry.runtime.v1',
  word: 'runtime',
  methods: {
    create: 'required',
    start: 'required',
    signal: 'required',
    attach: 'required',
    resize: 'required',
    wait: 'required',
    state: 'required',
    delete: 'required',
    list: 'required',
    version: 'required',
    anticipate: 'optional',
    waitOom: 'optional',
    pause: 'optional',
    resume: 'optional',
    update: 'optional',
    stats: 'optional',
    processes: 'optional',
    reopenLog: 'optional',
    exec: 'optional',
    execStart: 'optional',
    execResize: 'optional',
    execWait: 'optional',
    execDelete: 'optional',
  },
};
