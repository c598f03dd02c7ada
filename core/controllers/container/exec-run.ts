/** From the start of an exec to its end: set up, its client attached, the process run, waited for and cleaned up. */
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type OciProcess,
  type RuntimeDriver,
  runtimePoint,
  type StdioEndpoint,
} from '@gantry/plugin-sdk/contracts/runtime.ts';
import { HostError, isHostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import { allCapabilities } from '@gantry/plugin-sdk/oci/capabilities.ts';
import { containerEvent } from '../../events/emit.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import { type ContainerContext, isRestarting } from './context.ts';
import { detachSequence } from './detach-keys.ts';
import type { Exec } from './exec.ts';
import type { ConsoleSize } from './exec-request.ts';
import { exitCodeOf } from './exit-code.ts';
import { findContainer } from './find.ts';
import { capabilitiesOf } from './options/capabilities.ts';
import { frameOf } from './output-pump.ts';
import type { HostConfigBody } from './request.ts';
import { ociProcess } from './spec.ts';
import { resolveUser } from './user.ts';

const START_MS = 60_000;
/** Docker's for whatever keeps an exec from running, but for a command that is not there. */
const FAILED_EXIT = 126;
/** Removing an exec's files holds everybody up for a millisecond: whoever waits for its end hears of that before. */
const ANSWERED_MS = 5;
/** When nobody saw the exit. */
const UNSEEN_EXIT = 255;

export interface ExecClient {
  readonly stream: Duplex;
  /** Whether what it sends can arrive. */
  readonly stdin: boolean;
  /** Its output comes raw, not in frames. */
  readonly raw: boolean;
}

/** What a runtime driver has that can do it. */
export type ExecRuntime = Required<
  Pick<RuntimeDriver, 'exec' | 'execStart' | 'execWait' | 'execResize' | 'execDelete' | 'state'>
>;

/** Errors: NotImplemented. */
export async function execRuntime(ctx: ContainerContext, runtime: string): Promise<ExecRuntime> {
  const driver = await ctx.drivers.driver(runtimePoint, runtime);
  if (driver.exec) return driver as ExecRuntime;
  throw new HostError('NotImplemented', 'DRIVER_METHOD_ABSENT', `runtime driver "${runtime}" has no exec`);
}

/** The container of a process to be: Conflict unless it runs. */
export function runningContainer(ctx: ContainerContext, reference: string): ContainerRecord {
  const record = findContainer(ctx.store, reference);
  if (record.state.status === 'running') return record;
  if (record.state.status === 'restarting') throw isRestarting('Container', record.id);
  throw new HostError('Conflict', 'NOT_RUNNING', `container ${record.id} is not running`);
}

/**
 * Resolves when the process runs, rejects when it cannot; a client has then been told in its stream, as in Docker. The
 * exec has been claimed. It goes on when the client leaves; `connect` gives the stream of one that is to be attached.
 */
export async function runExec(
  ctx: ContainerContext,
  exec: Exec,
  consoleSize: ConsoleSize | undefined,
  connect: (() => ExecClient) | undefined,
): Promise<void> {
  const key = keyOf(exec);
  const call = { signal: AbortSignal.timeout(START_MS) };
  let client: ExecClient | undefined;
  let driver: ExecRuntime | undefined;
  try {
    client = connect?.();
    client?.stream.on('error', () => {}); // it may leave at any time
    const { runtime } = runningContainer(ctx, exec.containerId);
    driver = await execRuntime(ctx, runtime);
    const endpoint = await setUp(ctx, driver, exec, { consoleSize, stdin: client !== undefined });
    if (client) await attach(ctx, exec, client, endpoint);
    const { pid } = await driver.execStart(key, call);
    tell(ctx, exec, `exec_start: ${commandOf(exec)}`);
    exec.runs(pid);
  } catch (thrown) {
    const error = startError(thrown);
    if (client) client.stream.end(errorText(error, client));
    exec.end(exitCodeOf(thrown, FAILED_EXIT));
    if (driver) await remove(ctx, driver, exec);
    else exec.removed();
    throw error;
  }
  void settle(ctx, driver, exec);
}

/** With the container's key: its end would not know of what is made behind its back. */
function setUp(
  ctx: ContainerContext,
  driver: ExecRuntime,
  exec: Exec,
  { consoleSize, stdin }: { consoleSize: ConsoleSize | undefined; stdin: boolean },
): Promise<StdioEndpoint> {
  const call = { signal: AbortSignal.timeout(START_MS) };
  return ctx.locks.hold([`container/${exec.containerId}`], call.signal, async () => {
    const record = runningContainer(ctx, exec.containerId);
    const process = await execProcess(ctx, record, exec, consoleSize);
    return driver.exec({ ...keyOf(exec), process, stdin: stdin && exec.config.stdin }, call);
  });
}

async function execProcess(
  ctx: ContainerContext,
  record: ContainerRecord,
  { config }: Exec,
  consoleSize: ConsoleSize | undefined,
): Promise<OciProcess> {
  const hostConfig = record.hostConfig as HostConfigBody;
  const rootfs = path.join(ctx.stateDir, record.id, 'rootfs');
  const user = resolveUser(rootfs, config.user, hostConfig.GroupAdd ?? []);
  const capabilities = config.privileged ? allCapabilities() : capabilitiesOf(hostConfig);
  const [height, width] = (config.terminal && (consoleSize ?? config.consoleSize)) || [];
  return {
    ...ociProcess(record, config, user, capabilities, ctx.defaults),
    ...(height && width && { consoleSize: { height, width } }),
  };
}

function attach(
  ctx: ContainerContext,
  exec: Exec,
  { stream, stdin, raw }: ExecClient,
  endpoint: StdioEndpoint,
): Promise<void> {
  const { config, ended } = exec;
  const request = {
    stdin: config.stdin && stdin,
    stdout: config.stdout,
    stderr: config.stderr,
    terminal: raw,
    until: ended,
    detachKeys: config.terminal ? detachSequence(config.detachKeys) : undefined,
    onDetach: () => tell(ctx, exec, 'exec_detach'),
  };
  return ctx.attachments.attach(exec.id, stream, request, endpoint);
}

async function settle(ctx: ContainerContext, driver: ExecRuntime, exec: Exec): Promise<void> {
  try {
    const { code } = await driver.execWait(keyOf(exec), { signal: ctx.stopping });
    exec.end(code);
    tell(ctx, exec, 'exec_die', { exitCode: String(code) });
    await delay(ANSWERED_MS);
  } catch (error) {
    exec.end(UNSEEN_EXIT);
    if (ctx.stopping.aborted) return; // the process goes on
    ctx.log.warn(
      { container: exec.containerId, exec: exec.id, error: messageChain(error) },
      'exec not settled',
    );
  }
  await remove(ctx, driver, exec);
}

async function remove(ctx: ContainerContext, driver: ExecRuntime, exec: Exec): Promise<void> {
  await driver.execDelete(keyOf(exec), { signal: AbortSignal.timeout(START_MS) }).catch((error: unknown) => {
    ctx.log.warn(
      { container: exec.containerId, exec: exec.id, error: messageChain(error) },
      'exec not removed',
    );
  });
  exec.removed();
}

/** Ends what still runs of it. Never rejects. */
export async function removeExec(ctx: ContainerContext, runtime: string, exec: Exec): Promise<void> {
  const driver = await execRuntime(ctx, runtime).catch(() => undefined);
  if (driver) await remove(ctx, driver, exec);
}

/** As Docker names it in events. */
export function commandOf({ config }: Exec): string {
  return config.args.join(' ');
}

/** An exec's event is its container's; one that is gone has had its last. */
function tell(
  ctx: ContainerContext,
  { id, containerId }: Exec,
  action: string,
  attributes: Readonly<Record<string, string>> = {},
): void {
  const record = ctx.store.records.get('container', containerId);
  if (record) containerEvent(ctx.events, record, action, { execID: id, ...attributes });
}

export function keyOf({ id, containerId }: Exec): { id: string; execId: string } {
  return { id: containerId, execId: id };
}

/** The runtime's refusals in Docker's words; a command that cannot run is the caller's mistake. */
function startError(thrown: unknown): Error {
  const code = isHostError(thrown) ? thrown.code : '';
  if (code !== 'RUNTIME_FAILED' && !code.startsWith('COMMAND_')) return thrown as Error;
  const kind = code === 'RUNTIME_FAILED' ? 'Unknown' : 'InvalidArgument';
  const message = 'OCI runtime exec failed: exec failed: unable to start container process';
  return new HostError(kind, 'EXEC_START_FAILED', message, { cause: thrown });
}

function errorText(error: Error, { raw }: ExecClient): Buffer {
  const text = Buffer.from(`${messageChain(error)}\r\n`);
  return raw ? text : frameOf(1, text);
}
