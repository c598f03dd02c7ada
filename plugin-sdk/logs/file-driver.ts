/** A log driver that keeps the output of each container in files of its own, with a size and a number. */
import { appendFile } from 'node:fs/promises';
import type { LogDriver, LogEntry, LogFileEndpoint, LogInfo, LogOptions } from '../contracts/log.ts';
import { HostError } from '../errors.ts';
import type { FileLimits } from './options.ts';
import { LOG_MODE, RotatingFile, rotatedFiles } from './rotating-file.ts';

export interface FileLogFormat {
  readonly framing: LogFileEndpoint['framing'];
  /** Whether people are told the path. */
  readonly shown: boolean;
  /** Errors: InvalidArgument. */
  readonly limits: (options: LogOptions) => FileLimits;
  /** Makes the directory, if it is another than the container's, and answers the path. */
  readonly pathOf: (info: LogInfo) => string;
  /** What writes entries of that container: bytes, and for each entry where it ends. */
  readonly encoder: (info: LogInfo) => (entries: readonly LogEntry[]) => { bytes: Buffer; ends: number[] };
}

interface OpenLog {
  readonly file: RotatingFile;
  readonly encode: ReturnType<FileLogFormat['encoder']>;
}

export function fileLogDriver(format: FileLogFormat): LogDriver {
  const logs = new Map<string, OpenLog>();
  const logOf = (id: string): OpenLog => {
    const log = logs.get(id);
    if (log) return log;
    throw new HostError('FailedPrecondition', 'LOG_NOT_STARTED', `append: the log of ${id} was not started`);
  };
  return {
    capabilities: async () => ({ readLogs: false }),
    check: async ({ options }) => {
      format.limits(options);
      return { shown: format.shown };
    },
    start: async ({ info }) => {
      if (logs.has(info.containerId)) return;
      const path = format.pathOf(info);
      const log = { file: new RotatingFile(path, format.limits(info.options)), encode: format.encoder(info) };
      logs.set(info.containerId, log);
      // There from the start on, for who watches it. A disk that is full is no reason not to start.
      await appendFile(path, '', { mode: LOG_MODE }).catch(() => {});
    },
    append: async ({ containerId, entries, mark }) => {
      const { file, encode } = logOf(containerId);
      file.open(mark);
      const { bytes, ends } = encode(entries);
      return { taken: await file.write(bytes, ends), mark: file.mark };
    },
    files: async ({ info }) => {
      const { maxFiles } = format.limits(info.options);
      return rotatedFiles(format.pathOf(info), maxFiles).map((file) => ({
        ...file,
        framing: format.framing,
      }));
    },
    stop: async ({ containerId }) => {
      const log = logs.get(containerId);
      logs.delete(containerId);
      await log?.file.close();
    },
  };
}
