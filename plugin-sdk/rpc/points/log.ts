/** `gantry.log.v1.*`. */
import { Type } from 'typebox';
import type { LogDriver, LogEntry } from '../../contracts/log.ts';
import { messagesOf, noParams, nothing, textMap, texts } from '../messages.ts';

const text = Type.String();
const time = Type.String({ description: 'UTC with nine digits of a second.' });

const info = Type.Object({
  options: textMap,
  containerId: text,
  containerName: text,
  entrypoint: text,
  args: texts,
  imageId: text,
  imageName: text,
  createdAt: text,
  env: texts,
  labels: textMap,
  logPath: text,
  daemonName: text,
});

const entry = Type.Object({
  source: Type.Union([Type.Literal('stdout'), Type.Literal('stderr')]),
  time,
  line: Type.String({ description: 'Base64, without the newline; at most 16 KiB.' }),
  partial: Type.Optional(Type.Object({ id: text, ordinal: Type.Number(), last: Type.Boolean() })),
});

const file = Type.Object({
  path: text,
  framing: Type.Union([Type.Literal('cri'), Type.Literal('json-file')]),
  compressed: Type.Boolean(),
});

interface Entries<Line> {
  readonly entries: readonly (Omit<LogEntry, 'line'> & { readonly line: Line })[];
}

export const logMessages = messagesOf<LogDriver>()({
  capabilities: { params: noParams, result: Type.Object({ readLogs: Type.Boolean() }) },
  start: { params: Type.Object({ source: text, info }), result: nothing },
  stop: { params: Type.Object({ source: text, containerId: text }), result: nothing },
  check: { params: Type.Object({ options: textMap }), result: Type.Object({ shown: Type.Boolean() }) },
  append: {
    params: Type.Object({ containerId: text, entries: Type.Array(entry), mark: text }),
    result: Type.Object({ taken: Type.Number(), mark: text }),
    bytes: {
      toWire: ({ entries, ...rest }: Entries<Uint8Array>) => ({
        ...rest,
        entries: entries.map((one) => ({ ...one, line: Buffer.from(one.line).toString('base64') })),
      }),
      fromWire: ({ entries, ...rest }: Entries<string>) => ({
        ...rest,
        entries: entries.map((one) => ({ ...one, line: Buffer.from(one.line, 'base64') })),
      }),
    },
  },
  files: { params: Type.Object({ info }), result: Type.Array(file) },
  read: {
    params: Type.Object({
      since: Type.Optional(time),
      until: Type.Optional(time),
      tail: Type.Number(),
      follow: Type.Boolean(),
      info,
    }),
    result: Type.Object({ source: text }),
  },
});
