/** `LogDriver.*`: the messages. Entries themselves go through the named file, framed as protobuf `LogEntry`. */
import { type Static, Type } from 'typebox';
import type { LogInfo as ContainerInfo, LogDriver, LogReading } from '../contracts/log.ts';
import { ErrorAnswer, errorText, NoRequest, nullable, TextMap, wireMethod } from './method.ts';
import type { PointTranslation } from './translation.ts';

const text = Type.Optional(Type.String());
const texts = Type.Optional(nullable(Type.Array(Type.String())));
const File = Type.String({ description: 'Path of the FIFO as the plugin sees it.' });

export const LogInfo = Type.Object(
  {
    Config: Type.Optional(nullable(TextMap)),
    ContainerID: Type.String(),
    ContainerName: text,
    ContainerEntrypoint: text,
    ContainerArgs: texts,
    ContainerImageID: text,
    ContainerImageName: text,
    ContainerCreated: Type.Optional(Type.String({ description: 'RFC 3339.' })),
    ContainerEnv: texts,
    ContainerLabels: Type.Optional(nullable(TextMap)),
    LogPath: text,
    DaemonName: text,
  },
  { description: 'The container whose output it is.' },
);

export const LogCapabilitiesAnswer = Type.Object(
  {
    Cap: Type.Optional(Type.Object({ ReadLogs: Type.Optional(Type.Boolean()) })),
    Err: errorText,
  },
  { description: 'Whether the driver can read back what it logged; no when it does not say.' },
);

export const StartLoggingRequest = Type.Object(
  { File, Info: LogInfo },
  { description: 'Read entries from the FIFO until it ends.' },
);

export const StopLoggingRequest = Type.Object({ File }, { description: 'The container has ended.' });

export const ReadLogsRequest = Type.Object(
  {
    Info: LogInfo,
    Config: Type.Object({
      Since: Type.Optional(Type.String({ description: 'RFC 3339.' })),
      Until: Type.Optional(Type.String({ description: 'RFC 3339.' })),
      Tail: Type.Optional(Type.Integer({ description: 'Number of entries; negative: all.' })),
      Follow: Type.Optional(Type.Boolean()),
    }),
  },
  {
    description:
      'Give entries back. A time that is `0001-01-01T00:00:00Z` is none. The answer ends with the entries.',
  },
);

export const ReadLogsAnswer = Type.Unknown({
  description: 'A stream: 4 bytes of length, big-endian, then a protobuf LogEntry, again and again.',
});

export const logMethods = {
  capabilities: wireMethod('LogDriver.Capabilities', NoRequest, LogCapabilitiesAnswer, {
    body: 'none',
    optional: true,
  }),
  startLogging: wireMethod('LogDriver.StartLogging', StartLoggingRequest, ErrorAnswer),
  stopLogging: wireMethod('LogDriver.StopLogging', StopLoggingRequest, ErrorAnswer),
  readLogs: wireMethod('LogDriver.ReadLogs', ReadLogsRequest, ReadLogsAnswer, {
    reply: 'stream',
    timeoutMs: 0,
    errorField: 'none',
    optional: true,
  }),
};

export type LogInfo = Static<typeof LogInfo>;

/** What travels as messages; `check`, `append` and `files` do not. */
type WireLogDriver = Required<Pick<LogDriver, 'capabilities' | 'start' | 'stop' | 'read'>>;

export const logTranslation: PointTranslation<WireLogDriver> = {
  capabilities: {
    method: logMethods.capabilities,
    request: { toWire: () => ({}), fromWire: () => ({}) },
    answer: {
      toWire: ({ readLogs }) => ({ Cap: { ReadLogs: readLogs } }),
      fromWire: ({ Cap }: Static<typeof LogCapabilitiesAnswer>) => ({ readLogs: Cap?.ReadLogs ?? false }),
    },
    whenAbsent: { readLogs: false },
  },
  start: {
    method: logMethods.startLogging,
    request: {
      toWire: ({ source, info }) => ({ File: source, Info: infoToWire(info) }),
      fromWire: ({ File, Info }: Static<typeof StartLoggingRequest>) => ({
        source: File,
        info: infoFromWire(Info),
      }),
    },
    answer: { toWire: () => ({}), fromWire: () => undefined },
  },
  stop: {
    method: logMethods.stopLogging,
    request: {
      toWire: ({ source }) => ({ File: source }),
      fromWire: ({ File }: Static<typeof StopLoggingRequest>) => ({ source: File, containerId: '' }),
    },
    answer: { toWire: () => ({}), fromWire: () => undefined },
  },
  read: {
    method: logMethods.readLogs,
    request: {
      toWire: ({ info, ...reading }) => ({ Info: infoToWire(info), Config: readingToWire(reading) }),
      fromWire: ({ Info, Config }: Static<typeof ReadLogsRequest>) => ({
        info: infoFromWire(Info),
        ...readingFromWire(Config),
      }),
    },
    // The entries themselves follow as the answer's body, and reach the caller by the socket that is named.
    answer: { toWire: () => ({}), fromWire: (source: string) => ({ source }) },
  },
};

function infoToWire(info: ContainerInfo): LogInfo {
  return {
    Config: info.options,
    ContainerID: info.containerId,
    ContainerName: info.containerName,
    ContainerEntrypoint: info.entrypoint,
    ContainerArgs: [...info.args],
    ContainerImageID: info.imageId,
    ContainerImageName: info.imageName,
    ContainerCreated: info.createdAt,
    ContainerEnv: [...info.env],
    ContainerLabels: info.labels,
    LogPath: info.logPath,
    DaemonName: info.daemonName,
  };
}

function infoFromWire(info: LogInfo): ContainerInfo {
  return {
    options: info.Config ?? {},
    containerId: info.ContainerID,
    containerName: info.ContainerName ?? '',
    entrypoint: info.ContainerEntrypoint ?? '',
    args: info.ContainerArgs ?? [],
    imageId: info.ContainerImageID ?? '',
    imageName: info.ContainerImageName ?? '',
    createdAt: info.ContainerCreated ?? '',
    env: info.ContainerEnv ?? [],
    labels: info.ContainerLabels ?? {},
    logPath: info.LogPath ?? '',
    daemonName: info.DaemonName ?? '',
  };
}

/** Go's time that is none. */
const NO_TIME = '0001-01-01T00:00:00Z';

function readingToWire({ since = NO_TIME, until = NO_TIME, tail, follow }: LogReading): object {
  return { Since: since, Until: until, Tail: tail, Follow: follow };
}

function readingFromWire(config: Static<typeof ReadLogsRequest>['Config']): LogReading {
  const { Since = NO_TIME, Until = NO_TIME, Tail = -1, Follow = false } = config;
  return {
    tail: Tail,
    follow: Follow,
    ...(Since !== NO_TIME && { since: Since }),
    ...(Until !== NO_TIME && { until: Until }),
  };
}
