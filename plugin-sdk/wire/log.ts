/** `LogDriver.*`: the messages. Entries themselves go through the named file, framed as protobuf `LogEntry`. */
import { type Static, Type } from 'typebox';
import { ErrorAnswer, errorText, NoRequest, nullable, TextMap, wireMethod } from './method.ts';

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
  { description: 'Give entries back.' },
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
