/** `docker top`: what the host's `ps` says of a container's processes. */
import { existsSync } from 'node:fs';
import { runtimePoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { run } from '@gantry/plugin-sdk/system/run.ts';
import { containerEvent } from '../../events/emit.ts';
import type { ContainerContext } from './context.ts';
import { runningContainer } from './exec-run.ts';

const PS = ['/usr/bin/ps', '/bin/ps'];
const ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };
const PS_MS = 30_000;

export interface ProcessTable {
  readonly titles: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/**
 * `psArgs`: options of ps with a blank between them; `-ef` when it is empty. Errors: Conflict when it does not run,
 * InvalidArgument for options that ps refuses or that show no PID.
 */
export async function containerTop(
  ctx: ContainerContext,
  reference: string,
  psArgs: string,
  signal: AbortSignal,
): Promise<ProcessTable> {
  checkArguments(psArgs);
  const record = runningContainer(ctx, reference);
  const driver = await ctx.drivers.driver(runtimePoint, record.runtime);
  if (!driver.processes) {
    const message = `runtime driver "${record.runtime}" cannot list processes`;
    throw new HostError('NotImplemented', 'DRIVER_METHOD_ABSENT', message);
  }
  const pids = await driver.processes({ id: record.id }, { signal });
  const args = (psArgs || '-ef').split(' ');
  const table = processTable(
    await ps(args, pids, AbortSignal.any([signal, AbortSignal.timeout(PS_MS)])),
    pids,
  );
  containerEvent(ctx.events, record, 'top');
  return table;
}

/** A column that is called PID and is none would pass for the one that rows are chosen by. */
function checkArguments(psArgs: string): void {
  for (const [, column = '', title = ''] of psArgs.matchAll(/\s+(\S*)=\s*(PID\S*)/g)) {
    if (column === 'pid') continue;
    throw new HostError(
      'InvalidArgument',
      'INVALID_PS_ARGS',
      `specifying "${column}=${title}" is not allowed`,
    );
  }
}

/** Some options cannot go along with a list of pids: then all processes are listed, and chosen from. */
async function ps(args: readonly string[], pids: readonly number[], signal: AbortSignal): Promise<string> {
  const program = PS.find((path) => existsSync(path));
  if (program === undefined) {
    throw new HostError('FailedPrecondition', 'PROGRAM_MISSING', 'cannot list processes without ps', {
      hint: 'Install the package "procps".',
    });
  }
  const options = { env: ENVIRONMENT, signal };
  const chosen = await run(program, [...args, `-q${pids.join(',')}`], options);
  if (chosen.code === 0) return chosen.stdout;
  const all = await run(program, args, options);
  if (all.code === 0) return all.stdout;
  signal.throwIfAborted();
  const [why = ''] = all.stderr.split('\n');
  throw new HostError('InvalidArgument', 'INVALID_PS_ARGS', why || `ps: exit status ${all.code}`);
}

/** The rows of `pids`, each with the lines of its threads, which have `-` for a pid. */
export function processTable(output: string, pids: readonly number[]): ProcessTable {
  const [head = '', ...lines] = output.split('\n');
  const titles = fieldsOf(head);
  const at = titles.indexOf('PID');
  if (at < 0) {
    throw new HostError('InvalidArgument', 'INVALID_PS_ARGS', "Couldn't find PID field in ps output");
  }
  const wanted = new Set(pids.map(String));
  let follows = false;
  const rows = lines.filter(Boolean).flatMap((line) => {
    const fields = fieldsOf(line);
    const pid = fields[at] ?? '';
    if (pid !== '-') follows = wanted.has(pid);
    return follows ? [withRestInLast(fields, titles.length)] : [];
  });
  return { titles, rows };
}

function withRestInLast(fields: readonly string[], count: number): readonly string[] {
  return [...fields.slice(0, count - 1), fields.slice(count - 1).join(' ')];
}

/** Blanks of ASCII alone: others may be part of a name. */
function fieldsOf(line: string): readonly string[] {
  return line.split(/[ \t\v\f\r]+/).filter(Boolean);
}
