/** `gantry.runtime.v1.*`. */
import { Type } from 'typebox';
import type { RuntimeDriver } from '../../contracts/runtime.ts';
import { anyMap, byId, messagesOf, noParams, nothing, textMap, texts } from '../messages.ts';

const text = Type.String();
const number = Type.Number();
const pid = Type.Object({ pid: number });
const byExec = Type.Object({ id: text, execId: text });

/** The OCI runtime specification's `process`, with whatever else is in it. */
const process = Type.Intersect([
  anyMap,
  Type.Object({
    terminal: Type.Boolean(),
    user: Type.Object({
      uid: number,
      gid: number,
      additionalGids: Type.Optional(Type.Array(number)),
    }),
    args: texts,
    env: texts,
    cwd: text,
  }),
]);

const spec = Type.Object({
  ociVersion: text,
  process,
  root: Type.Object({ path: text, readonly: Type.Boolean() }),
  hostname: Type.Optional(text),
  mounts: Type.Array(Type.Object({ destination: text, type: text, source: text, options: texts })),
  linux: anyMap,
  annotations: Type.Optional(textMap),
});

/** Of the OCI specification's `linux.resources`. */
const resources = Type.Object({
  memory: Type.Optional(anyMap),
  cpu: Type.Optional(anyMap),
  blockIO: Type.Optional(anyMap),
  pids: Type.Optional(Type.Object({ limit: number })),
});

const exit = Type.Object({
  code: number,
  at: text,
  oomKilled: Type.Boolean(),
  unknown: Type.Optional(Type.Boolean()),
});
const stdio = Type.Object({ path: text, framing: Type.Literal('seqpacket-tagged') });
const size = { rows: number, columns: number };

const counters = Type.Array(Type.Object({ major: number, minor: number, op: text, value: number }));
const stats = Type.Object({
  cpu: Type.Object({
    total: number,
    user: number,
    kernel: number,
    perCpu: Type.Optional(Type.Array(number)),
    periods: number,
    throttledPeriods: number,
    throttled: number,
  }),
  memory: Type.Object({
    usage: number,
    maxUsage: Type.Optional(number),
    failures: Type.Optional(number),
    limit: Type.Optional(number),
    stats: Type.Record(text, number),
  }),
  processes: Type.Object({ current: number, limit: Type.Optional(number) }),
  blocks: Type.Object({ bytes: counters, operations: counters }),
  networks: Type.Optional(
    Type.Record(
      text,
      Type.Object({
        rxBytes: number,
        rxPackets: number,
        rxErrors: number,
        rxDropped: number,
        txBytes: number,
        txPackets: number,
        txErrors: number,
        txDropped: number,
      }),
    ),
  ),
});

export const runtimeMessages = messagesOf<RuntimeDriver>()({
  create: {
    params: Type.Object({
      id: text,
      spec,
      stdin: Type.Boolean(),
      stdinOnce: Type.Boolean(),
      logPath: text,
    }),
    result: pid,
  },
  start: { params: byId, result: nothing },
  signal: { params: Type.Object({ id: text, signal: number }), result: nothing },
  attach: { params: byId, result: stdio },
  resize: { params: Type.Object({ id: text, ...size }), result: nothing },
  wait: { params: byId, result: exit },
  state: {
    params: byId,
    result: Type.Union([
      Type.Object({
        status: Type.Union([Type.Literal('created'), Type.Literal('running'), Type.Literal('paused')]),
        pid: number,
      }),
      Type.Object({ status: Type.Literal('stopped'), exit }),
      Type.Object({ status: Type.Literal('absent') }),
    ]),
  },
  delete: { params: byId, result: nothing },
  list: { params: noParams, result: texts },
  version: { params: noParams, result: Type.Object({ name: text, version: text }) },
  anticipate: { params: noParams, result: nothing },
  waitOom: { params: byId, result: nothing },
  pause: { params: byId, result: nothing },
  resume: { params: byId, result: nothing },
  update: { params: Type.Object({ id: text, resources }), result: nothing },
  stats: { params: byId, result: stats },
  processes: { params: byId, result: Type.Array(number) },
  reopenLog: { params: byId, result: nothing },
  exec: { params: Type.Object({ id: text, execId: text, process, stdin: Type.Boolean() }), result: stdio },
  execStart: { params: byExec, result: pid },
  execResize: { params: Type.Object({ id: text, execId: text, ...size }), result: nothing },
  execWait: { params: byExec, result: exit },
  execDelete: { params: byExec, result: nothing },
});
