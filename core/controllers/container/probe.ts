/** One run of a container's health check: an exec that nobody is attached to but us. */
import { createHash } from 'node:crypto';
import { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { messageChain } from '@gantry/plugin-sdk/errors.ts';
import { containerEvent } from '../../events/emit.ts';
import type { ContainerRecord, ProbeResult } from '../../store/record-types.ts';
import type { ContainerContext } from './context.ts';
import { Exec } from './exec.ts';
import { commandOf, removeExec, runExec } from './exec-run.ts';
import type { Healthcheck } from './healthcheck.ts';

const MAX_OUTPUT_BYTES = 4_096;
/** After its end, for output that is still on its way. */
const OUTPUT_MS = 1_000;

/** Resolves when its process is gone, also when `signal` has ended it. Never rejects. */
export async function probe(
  ctx: ContainerContext,
  record: ContainerRecord,
  check: Healthcheck,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const start = new Date().toISOString();
  const result = (exitCode: number, output: string): ProbeResult => {
    return { start, end: new Date().toISOString(), exitCode, output };
  };
  const exec = execOf(record, check.args);
  const output = new Output();
  exec.claim();
  containerEvent(ctx.events, record, `exec_create: ${commandOf(exec)}`, { execID: exec.id });
  try {
    await runExec(ctx, exec, undefined, () => ({ stream: output, stdin: false, raw: true }));
  } catch (error) {
    return result(-1, messageChain(error));
  }
  const inTime = await endsWithin(exec, check.timeoutMs, signal);
  if (!inTime) await removeExec(ctx, record.runtime, exec);
  await Promise.race([finished(output).catch(() => {}), delay(OUTPUT_MS, undefined, { ref: false })]);
  await exec.gone;
  const text = output.text();
  if (inTime) return result(exec.exitCode ?? -1, text);
  const late = `Health check exceeded timeout (${durationText(check.timeoutMs)})`;
  return result(-1, text === '' ? late : `${late}: ${text}`);
}

/** Ends what a daemon before this one has left running. */
export async function endLeftProbe(ctx: ContainerContext, record: ContainerRecord): Promise<void> {
  await removeExec(ctx, record.runtime, execOf(record, []));
}

/** Each time under the same id, so that one can be ended by a daemon that did not start it. */
function execOf({ id, state, process }: ContainerRecord, args: readonly string[]): Exec {
  const execId = createHash('sha256').update(`health ${id}`).digest('hex');
  return new Exec(
    execId,
    { id, startedAt: state.startedAt },
    {
      args,
      env: process.env,
      user: process.user,
      cwd: process.cwd,
      terminal: false,
      privileged: false,
      stdin: false,
      stdout: true,
      stderr: true,
      detachKeys: '',
      consoleSize: undefined,
    },
  );
}

/** False when it has not ended by itself. */
async function endsWithin(exec: Exec, ms: number, signal: AbortSignal): Promise<boolean> {
  const given = new AbortController();
  const late = delay(ms, false, { signal: AbortSignal.any([given.signal, signal]) }).catch(() => false);
  const inTime = await Promise.race([exec.ended.then(() => true), late]);
  given.abort();
  return inTime;
}

/** Takes up what a probe writes; of a lot keeps the beginning, as Docker does. */
class Output extends Duplex {
  #text = Buffer.alloc(0);
  #isCut = false;

  override _read(): void {
    this.push(null);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const room = MAX_OUTPUT_BYTES - this.#text.length;
    if (chunk.length > room) this.#isCut = true;
    if (room > 0) this.#text = Buffer.concat([this.#text, chunk.subarray(0, room)]);
    done();
  }

  text(): string {
    return `${this.#text.toString('utf8')}${this.#isCut ? '...' : ''}`;
  }
}

/** As Go writes it: `1.5s`, `2m0s`, `500ms`. */
function durationText(ms: number): string {
  if (ms < 1_000) return `${ms}ms`;
  const [hours, minutes] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60];
  const seconds = `${(ms % 60_000) / 1_000}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
