/**
 * `docker update`: other limits and another restart policy for a container. The record comes first and says that its task
 * has yet to follow; whatever is cut off then is done again at the next start, or taken back.
 */
import { runtimePoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { HostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import Type, { type Static } from 'typebox';
import { containerEvent } from '../../events/emit.ts';
import { validatorOf } from '../../schema/validate.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import type { ContainerContext } from './context.ts';
import { findContainer } from './find.ts';
import { nullable, text, whole } from './options/fields.ts';
import { ociResources, RESOURCE_FIELDS, type ResourceOptions, settleResources } from './options/resources.ts';
import type { HostConfigBody } from './request.ts';
import { checkRestartPolicy } from './restart-policy.ts';

export const UpdateSchema = Type.Object({
  ...RESOURCE_FIELDS,
  RestartPolicy: nullable(Type.Object({ Name: text, MaximumRetryCount: whole })),
});
type UpdateBody = Static<typeof UpdateSchema>;
const validate = validatorOf('update container', UpdateSchema);

/** Answers warnings. Errors: InvalidArgument; Conflict for what does not go with the container's other options; Unknown, nothing changed. */
export async function updateContainer(
  ctx: ContainerContext,
  reference: string,
  raw: unknown,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const body = validate(raw);
  const warnings: string[] = [];
  const resources = settleResources(body, { warnings, update: true });
  checkRestartPolicy(body.RestartPolicy, false);
  const { id } = findContainer(ctx.store, reference);
  return ctx.locks.hold([`container/${id}`], signal, async () => {
    const before = findContainer(ctx.store, id);
    const hostConfig = { ...before.hostConfig, ...changesOf(before, resources, body) };
    const record: ContainerRecord = { ...before, hostConfig };
    if (before.state.status !== 'running') await write(ctx, record);
    else {
      await write(ctx, { ...record, limitsBefore: before.hostConfig });
      await settleUpdate(ctx, { ...record, limitsBefore: before.hostConfig }, signal);
    }
    containerEvent(ctx.events, record, 'update');
    return warnings;
  });
}

/** Brings the task to what its record says; the caller holds the key. When it cannot be, the record goes back. */
export async function settleUpdate(
  ctx: ContainerContext,
  record: ContainerRecord,
  signal: AbortSignal,
): Promise<void> {
  const { limitsBefore, ...settled } = record;
  try {
    await apply(ctx, settled, signal);
  } catch (error) {
    await write(ctx, { ...settled, hostConfig: limitsBefore ?? settled.hostConfig });
    throw error;
  }
  await write(ctx, settled);
}

/** An update that was cut off: done again, or taken back when that fails. A container that has ended only needs its record. */
export async function resumeUpdate(ctx: ContainerContext, { id }: ContainerRecord): Promise<void> {
  await ctx.locks.hold([`container/${id}`], undefined, async () => {
    const record = ctx.store.records.get('container', id);
    if (!record?.limitsBefore) return;
    const { limitsBefore, ...settled } = record;
    if (record.state.status !== 'running') return write(ctx, settled);
    await settleUpdate(ctx, record, AbortSignal.timeout(RESUME_MS)).catch((error: unknown) => {
      ctx.log.warn({ container: id, error: messageChain(error) }, 'update taken back');
    });
  });
}

const RESUME_MS = 30_000;

async function apply(ctx: ContainerContext, record: ContainerRecord, signal: AbortSignal): Promise<void> {
  const { id, runtime } = record;
  try {
    const driver = await ctx.drivers.driver(runtimePoint, runtime);
    if (!driver.update) {
      const message = `runtime driver "${runtime}" has no update`;
      throw new HostError('NotImplemented', 'DRIVER_METHOD_ABSENT', message);
    }
    await driver.update(
      { id, resources: await ociResources(record.hostConfig as HostConfigBody, { update: true }) },
      { signal },
    );
  } catch (cause) {
    throw new HostError('Unknown', 'UPDATE_FAILED', `Cannot update container ${id}`, { cause });
  }
}

function write(ctx: ContainerContext, record: ContainerRecord): Promise<void> {
  return ctx.store.put('container.update', { put: [{ kind: 'container', id: record.id, record }] });
}

/** What an update may change: of these, whatever says something. */
const CHANGEABLE = [
  ...([
    'CpuShares',
    'CpuPeriod',
    'CpuQuota',
    'CpuRealtimePeriod',
    'CpuRealtimeRuntime',
    'CpusetCpus',
  ] as const),
  ...(['CpusetMems', 'NanoCpus', 'Memory', 'MemorySwap', 'MemoryReservation', 'BlkioWeight'] as const),
  'PidsLimit' as const,
];

function changesOf(
  record: ContainerRecord,
  resources: ResourceOptions,
  { RestartPolicy }: UpdateBody,
): Readonly<Record<string, unknown>> {
  const now = record.hostConfig as HostConfigBody;
  const conflict = conflictOf(now, resources) ?? restartConflict(record, RestartPolicy?.Name);
  if (conflict) {
    throw new HostError('Conflict', 'UPDATE_CONFLICT', `Cannot update container ${record.id}: ${conflict}`);
  }
  const changed = CHANGEABLE.filter((field) => resources[field]).map((field) => [field, resources[field]]);
  return { ...Object.fromEntries(changed), ...(RestartPolicy?.Name && { RestartPolicy }) };
}

function conflictOf(now: ResourceOptions, wanted: ResourceOptions): string | undefined {
  if (wanted.NanoCpus && (now.CpuPeriod || now.CpuQuota)) {
    const set = now.CpuPeriod ? 'CPU Period' : 'CPU Quota';
    return `Conflicting options: Nano CPUs cannot be updated as ${set} has already been set`;
  }
  if (now.NanoCpus && (wanted.CpuPeriod || wanted.CpuQuota)) {
    const asked = wanted.CpuPeriod ? 'CPU Period' : 'CPU Quota';
    return `Conflicting options: ${asked} cannot be updated as NanoCPUs has already been set`;
  }
  if (wanted.Memory && wanted.Memory > (now.MemorySwap ?? 0) && !wanted.MemorySwap) {
    return 'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time';
  }
  return undefined;
}

function restartConflict({ autoRemove }: ContainerRecord, policy = ''): string | undefined {
  if (!autoRemove || policy === '' || policy === 'no') return undefined;
  return 'Restart policy cannot be updated because AutoRemove is enabled for the container';
}
