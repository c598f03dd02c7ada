/** The first call on every connection, of the host to the driver, and what a driver may tell the host unasked. */
import { type Static, Type } from 'typebox';

/** Versions of this protocol that are spoken here, newest first. */
export const PROTOCOLS: readonly number[] = [1];

export const ACTIVATE = 'gantry.activate';
/** Notification: a line for the driver's log, see `gantry driver logs`. */
export const LOG = 'gantry.log';

export const ActivateParams = Type.Object(
  {
    protocols: Type.Array(Type.Integer(), { description: 'Those the host speaks, the best first.' }),
    host: Type.Object({ name: Type.String(), version: Type.String() }),
  },
  { description: 'Who calls.' },
);

export const ActivateResult = Type.Object(
  {
    protocol: Type.Integer({ description: 'The one to be spoken from now on.' }),
    name: Type.String({ description: 'What the driver calls itself; it is used by its socket’s name.' }),
    version: Type.String(),
    points: Type.Array(
      Type.Object({
        id: Type.String({ description: 'With the contract’s major version, `gantry.volume.v1`.' }),
        methods: Type.Array(Type.String(), { description: 'Those of the contract that it has.' }),
      }),
    ),
  },
  { description: 'Who answers, and what it serves.' },
);
export type ActivateResult = Static<typeof ActivateResult>;

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;

export const LogParams = Type.Object(
  {
    level: Type.Union([
      Type.Literal('debug'),
      Type.Literal('info'),
      Type.Literal('warn'),
      Type.Literal('error'),
    ]),
    message: Type.String(),
    fields: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  },
  { description: 'One line of a log.' },
);
export type LogParams = Static<typeof LogParams>;
