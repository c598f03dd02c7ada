/**
 * Log contract, `gantry.log.v1`: where the output of containers goes, line by line.
 *
 * The host keeps a journal of each container's output and hands it on from there, so a driver may be slow, away or
 * replaced: the container never waits for it. Life: `check` when a container is created; `start` before its process
 * runs; then output in one of two ways; `stop` when the container has ended and everything was handed on.
 *
 * A driver that has `append` gets lines in batches and answers how many it has taken; those are not sent again. One that
 * has not reads them from the FIFO that `start` names, framed as `logs/entry-frames.ts` says: what it has read out of
 * the FIFO for a second counts as taken. After a crash of either side the host goes on at the first line that was not
 * taken, so a driver of the second sort may see lines of the last second twice.
 *
 * Source: Docker's log plugin protocol (`LogDriver.*`).
 */
import type { CallContext, ExtensionPoint } from '../extension-point.ts';

export type LogOptions = Readonly<Record<string, string>>;

/** The container whose output it is, as it was created. */
export interface LogInfo {
  readonly options: LogOptions;
  readonly containerId: string;
  readonly containerName: string;
  readonly entrypoint: string;
  readonly args: readonly string[];
  readonly imageId: string;
  readonly imageName: string;
  /** RFC 3339. */
  readonly createdAt: string;
  /** `NAME=value`. */
  readonly env: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** A file that a driver on the same host may write the log to; in a directory that goes with the container. */
  readonly logPath: string;
  readonly daemonName: string;
}

export interface LogEntry {
  readonly source: 'stdout' | 'stderr';
  /** UTC with nine digits of a second: `2026-01-02T03:04:05.123456789Z`. */
  readonly time: string;
  /** Without the newline; at most 16 KiB. */
  readonly line: Uint8Array;
  /** Set when it is a piece of a line: they have one id and count from 1. The last one ends the line. */
  readonly partial?: { readonly id: string; readonly ordinal: number; readonly last: boolean };
}

/** A named end-point that holds entries, with its framing. */
export interface LogFileEndpoint {
  readonly path: string;
  /** `cri` and `json-file`: a line an entry. */
  readonly framing: 'cri' | 'json-file';
  /** The whole file is gzip. */
  readonly compressed: boolean;
}

export interface LogReading {
  /** Times as `LogEntry` has them. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  /** Number of lines from the end; all when it is negative. */
  readonly tail: number;
  readonly follow: boolean;
}

export interface LogDriver {
  /** `read` works. */
  capabilities(request: Readonly<Record<string, never>>, call: CallContext): Promise<{ readLogs: boolean }>;
  /**
   * Begins. `source` is the path of a FIFO to read entries from until it ends, or '' for a driver that has `append`.
   * Repeated after a crash, with another FIFO. Errors: InvalidArgument (options), Unknown (a plugin's own words); they
   * fail the container's start.
   */
  start(request: { source: string; info: LogInfo }, call: CallContext): Promise<void>;
  /** Everything was handed on. What is still open may be closed; harmless when repeated. */
  stop(request: { source: string; containerId: string }, call: CallContext): Promise<void>;
  /**
   * Optional: checks a container's options before it is created, in Docker's words. `shown`: whether people are told the
   * path of the log (`LogPath` of `docker inspect`). Errors: InvalidArgument.
   */
  check?(request: { options: LogOptions }, call: CallContext): Promise<{ shown: boolean }>;
  /**
   * Optional: takes entries in order, and answers how many of them it has taken. `mark` is what the last call for this
   * container answered, also when that was before a crash, or '' at first: the driver puts itself back to where it was
   * then, so that what was taken and not answered is not there twice. Errors: any, when none was taken; all come again.
   */
  append?(
    request: { containerId: string; entries: readonly LogEntry[]; mark: string },
    call: CallContext,
  ): Promise<{ taken: number; mark: string }>;
  /** Optional, with `append`: the files that hold what was taken, the oldest first; the last is being written to. */
  files?(request: { info: LogInfo }, call: CallContext): Promise<readonly LogFileEndpoint[]>;
  /**
   * Optional: gives entries back. Answers the path of a unix socket: who connects to it gets them, framed as
   * `logs/entry-frames.ts` says, to the end, or leaves before that. It is gone when nobody connects within 10 s.
   */
  read?(request: LogReading & { info: LogInfo }, call: CallContext): Promise<{ source: string }>;
}

export const logPoint: ExtensionPoint<LogDriver> = {
  id: 'gantry.log.v1',
  word: 'log',
  implementsName: 'LogDriver',
  methods: {
    capabilities: 'required',
    start: 'required',
    stop: 'required',
    check: 'optional',
    append: 'optional',
    files: 'optional',
    read: 'optional',
  },
};
