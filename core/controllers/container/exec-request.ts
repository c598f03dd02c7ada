/** What `POST /containers/ID/exec` asks for, checked; the container gives what it leaves out. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import Type, { type Static } from 'typebox';
import { validatorOf } from '../../schema/validate.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import { detachSequence } from './detach-keys.ts';
import { checkEnvironment, mergeEnvironment, workingDirectory } from './process-request.ts';

const Strings = Type.Array(Type.String());
const nullable = <T extends Type.TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]));
const Size = Type.Array(Type.Integer({ minimum: 0, maximum: 65_535 }), { minItems: 2, maxItems: 2 });

export const ExecSchema = Type.Object({
  Cmd: nullable(Type.Union([Type.String(), Strings])),
  Env: nullable(Strings),
  User: Type.Optional(Type.String()),
  WorkingDir: Type.Optional(Type.String()),
  Privileged: Type.Optional(Type.Boolean()),
  Tty: Type.Optional(Type.Boolean()),
  AttachStdin: Type.Optional(Type.Boolean()),
  AttachStdout: Type.Optional(Type.Boolean()),
  AttachStderr: Type.Optional(Type.Boolean()),
  DetachKeys: Type.Optional(Type.String()),
  ConsoleSize: nullable(Size),
});

export const ExecStartSchema = Type.Object({
  Detach: Type.Optional(Type.Boolean()),
  Tty: Type.Optional(Type.Boolean()),
  ConsoleSize: nullable(Size),
});

export const validateExecStart = validatorOf('start exec', ExecStartSchema);
const validate = validatorOf('create exec', ExecSchema);

/** Rows and columns, in characters. */
export type ConsoleSize = readonly [rows: number, columns: number];

export interface ExecConfig {
  readonly args: readonly string[];
  /** The container's variables with the request's over them. */
  readonly env: readonly string[];
  readonly user: string;
  readonly cwd: string;
  readonly terminal: boolean;
  readonly privileged: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly detachKeys: string;
  readonly consoleSize: ConsoleSize | undefined;
}

export function execConfig({ process }: ContainerRecord, raw: unknown): ExecConfig {
  const body = validate(raw);
  checkEnvironment(body.Env ?? []);
  detachSequence(body.DetachKeys ?? '', 'Invalid escape keys');
  return {
    args: commandOf(body),
    env: mergeEnvironment(process.env, body.Env ?? []),
    user: body.User || process.user,
    cwd: workingDirectory(body.WorkingDir || process.cwd),
    terminal: body.Tty ?? false,
    privileged: body.Privileged ?? false,
    stdin: body.AttachStdin ?? false,
    stdout: body.AttachStdout ?? false,
    stderr: body.AttachStderr ?? false,
    detachKeys: body.DetachKeys ?? '',
    consoleSize: sizeOf(body.ConsoleSize),
  };
}

export function sizeOf(given: readonly number[] | null | undefined): ConsoleSize | undefined {
  const [rows = 0, columns = 0] = given ?? [];
  return rows > 0 && columns > 0 ? [rows, columns] : undefined;
}

function commandOf({ Cmd }: Static<typeof ExecSchema>): readonly string[] {
  const args = typeof Cmd === 'string' ? [Cmd] : (Cmd ?? []);
  if (args.length > 0) return args;
  throw new HostError('InvalidArgument', 'NO_COMMAND', 'No exec command specified');
}
