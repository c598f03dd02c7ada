/** `docker start`: mounts, writable layer, task, clients that already attached, then the process; one operation. */
import path from 'node:path';
import { runtimePoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { HostError, isHostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import { containerEvent, volumeMountEvents } from '../../events/emit.ts';
import { effect } from '../../store/effect.ts';
import type { LockKey } from '../../store/locks.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import { isLogKept } from '../logs/log-config.ts';
import { journalFileIn } from '../logs/pump.ts';
import { type ContainerContext, setState, ZERO_TIME } from './context.ts';
import { writeEtcFiles } from './etc/files.ts';
import { monitor, removeRecord } from './exit.ts';
import { exitCodeOf } from './exit-code.ts';
import { findContainer, findIfThere } from './find.ts';
import { healthcheckOf, startingHealth } from './healthcheck.ts';
import { mountSteps } from './mounts.ts';
import { joinedIds } from './options/namespaces.ts';
import { shmEffect } from './options/shm.ts';
import { makeWorkingDirectory } from './options/working-directory.ts';
import type { HostConfigBody } from './request.ts';
import { taskSpec } from './spec.ts';

/** False when it was running already, or is about to by its restart policy. */
export async function startContainer(
  ctx: ContainerContext,
  reference: string,
  signal: AbortSignal,
): Promise<boolean> {
  const known = findContainer(ctx.store, reference);
  const { id } = known;
  return ctx.locks.hold(keysToStart(ctx, known), signal, async () => {
    const record = findContainer(ctx.store, id);
    if (record.state.paused) {
      const message = 'cannot start a paused container, try unpause instead';
      throw new HostError('Conflict', 'CONTAINER_PAUSED', message);
    }
    if (record.state.status === 'running') return false;
    if (record.state.status === 'restarting') {
      ctx.restarts.hurry(id);
      return false;
    }
    ctx.restarts.forget(id);
    try {
      await launch(ctx, { ...record, restarts: 0, manuallyStopped: false }, signal);
    } catch (error) {
      await noteStartFailed(ctx, record, error);
      throw wrapStartError(error);
    }
    return true;
  });
}

/** Its own, and those of the containers whose namespaces it joins, which must not end meanwhile. */
export function keysToStart(ctx: ContainerContext, { id, hostConfig }: ContainerRecord): readonly LockKey[] {
  const joined = joinedIds(hostConfig).flatMap((name) => findIfThere(ctx.store, name)?.id ?? []);
  return [id, ...joined].map((one) => `container/${one}` as const);
}

/** From its record to its running process; the caller holds its key. Nothing stays of one that fails. */
export async function launch(
  ctx: ContainerContext,
  record: ContainerRecord,
  signal: AbortSignal,
): Promise<void> {
  const { id, runtime, snapshotDriver } = record;
  const hostConfig = record.hostConfig as HostConfigBody;
  const rootfs = path.join(ctx.stateDir, id, 'rootfs');
  const dir = path.join(ctx.rootDir, id);
  const steps = await mountSteps(ctx, record, signal);
  const mounted = effect('snapshot-mount', id, { driver: snapshotDriver, key: id, target: rootfs });
  const shm = shmEffect(ctx.stateDir, id, hostConfig);
  const task = effect('task', id, { driver: runtime, id });
  const driver = await ctx.drivers.driver(runtimePoint, runtime);

  await using op = await ctx.store.begin('container.start', `container/${id}`, {
    makes: [...steps.makes, mounted, ...(shm ? [shm] : []), task],
  });
  const mounts = await steps.run(op, signal);
  await op.make(mounted, signal);
  if (shm) await op.make(shm, signal);
  await writeEtcFiles(record, dir, ctx.defaults);
  await makeWorkingDirectory(rootfs, record.process.cwd);
  const logPath = isLogKept(record) ? journalFileIn(dir) : '';
  ctx.taskSpecs.set(id, await taskSpec(ctx, record, { rootfs, mounts, logPath }));
  await ctx.logs.begin(record, signal);
  using logging = new DisposableStack();
  logging.defer(() => ctx.logs.abandon(id));
  const { pid } = await op.make<{ pid: number }>(task, signal).finally(() => ctx.taskSpecs.delete(id));
  await ctx.attachments.connect(id, () => driver.attach({ id }, { signal }));
  await driver.start({ id }, { signal });
  ctx.restarts.noteStarted(id);
  const started = setState(
    {
      ...record,
      mounts: steps.mounts,
      ...(healthcheckOf(record) && { health: startingHealth(record.health) }),
    },
    {
      status: 'running',
      pid,
      exitCode: 0,
      error: '',
      oomKilled: false,
      startedAt: new Date().toISOString(),
      finishedAt: ZERO_TIME,
    },
  );
  await op.commit({ put: [{ kind: 'container', id, record: started }] });
  logging.move();
  volumeMountEvents(ctx.events, started, 'mount');
  containerEvent(ctx.events, started, 'start');
  monitor(ctx, started);
}

/** Docker's for whatever has no exit code of its own. */
const FAILED_EXIT = 128;

/** Writes down why it has not started, and tells who waits; the caller holds its key. */
export async function noteStartFailed(
  ctx: ContainerContext,
  record: ContainerRecord,
  error: unknown,
): Promise<void> {
  const message = messageChain(error);
  const exitCode = exitCodeOf(error, FAILED_EXIT);
  ctx.attachments.drop(record.id);
  if (record.autoRemove) await removeRecord(ctx, record, AbortSignal.timeout(30_000));
  else {
    const failed = setState(record, { exitCode, error: message });
    await ctx.store.put('container.start-failed', {
      put: [{ kind: 'container', id: record.id, record: failed }],
    });
  }
  ctx.waiters.exited(record.id, { exitCode });
  if (record.autoRemove) ctx.waiters.removed(record.id, { exitCode });
}

/** Of errors that say all by themselves, as Docker's do. */
const IN_THEIR_OWN_WORDS = new Set([
  ...['UNKNOWN_USER', 'DEVICE_NOT_FOUND', 'CANNOT_JOIN', 'CONTAINER_NOT_FOUND'],
  ...['INIT_MISSING', 'INVALID_CONTAINER_OPTION', 'NO_HOST_GATEWAY'],
]);

/** Docker's words and status: a command that cannot run is the caller's mistake. */
function wrapStartError(error: unknown): Error {
  if (isHostError(error) && IN_THEIR_OWN_WORDS.has(error.code)) return error;
  const exitCode = exitCodeOf(error, FAILED_EXIT);
  const kind = exitCode === FAILED_EXIT ? (isHostError(error) ? error.kind : 'Internal') : 'InvalidArgument';
  const prefix = 'failed to create task for container';
  return new HostError(kind === 'NotFound' ? 'Unknown' : kind, 'CONTAINER_START_FAILED', prefix, {
    cause: error,
  });
}
