/** From a container's mounts to the effects that its start must make and the OCI mounts that come of them. */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import {
  type MountEffect,
  mountPoint,
  type OciMount,
  type ResolvedMount,
} from '@gantry/plugin-sdk/contracts/mount.ts';
import { type Effect, effect } from '../../store/effect.ts';
import type { Operation } from '../../store/operation.ts';
import type { ContainerMount, ContainerRecord } from '../../store/record-types.ts';
import type { ContainerContext } from './context.ts';

interface Step {
  readonly resolved: ResolvedMount;
  /** By index of `resolved.effects`: what is made for it, the last of them being where the content is seen. */
  readonly effects: readonly (readonly Effect[])[];
  readonly subpath: Effect<'bind-mount'> | undefined;
}

export interface MountSteps {
  readonly makes: readonly Effect[];
  /** The container's mounts with the mount ids of this start. */
  readonly mounts: readonly ContainerMount[];
  /** Makes everything, in order, and answers the OCI mounts. */
  run(op: Operation, signal: AbortSignal): Promise<readonly OciMount[]>;
}

export async function mountSteps(
  ctx: ContainerContext,
  record: ContainerRecord,
  signal: AbortSignal,
): Promise<MountSteps> {
  const mounts = record.mounts.map((mount) => withMountId(ctx, record.id, mount));
  const steps: Step[] = [];
  for (const [index, mount] of mounts.entries()) {
    const driver = await ctx.drivers.driver(mountPoint, mount.type);
    const resolved = await driver.resolve(mount, { signal });
    const effects = resolved.effects.map((wanted) => effectsFor(ctx, record, index, wanted));
    steps.push({ resolved, effects, subpath: subpathEffect(ctx, record.id, index, resolved) });
  }
  return {
    makes: steps.flatMap(({ effects, subpath }) => [...effects.flat(), ...(subpath ? [subpath] : [])]),
    mounts,
    async run(op, within) {
      const made = new Map<Step, OciMount>();
      for (const step of ownFirst(steps)) made.set(step, await runStep(op, step, within));
      return steps.flatMap((step) => made.get(step) ?? []);
    },
  };
}

/** What we make by ourselves comes first: when it fails, no volume driver has been bothered. */
function ownFirst(steps: readonly Step[]): readonly Step[] {
  const asksDriver = ({ resolved }: Step) => resolved.effects.some(({ kind }) => kind === 'volume-mount');
  return [...steps].sort((a, b) => Number(asksDriver(a)) - Number(asksDriver(b)));
}

async function runStep(
  op: Operation,
  { resolved, effects, subpath }: Step,
  signal: AbortSignal,
): Promise<OciMount> {
  const sources: string[] = [];
  for (const group of effects) {
    let source = '';
    for (const wanted of group) source = sourceOf(wanted, await op.make(wanted, signal));
    sources.push(source);
  }
  if (!resolved.sourceFrom) return resolved.mount;
  const source = sources[resolved.sourceFrom.effect] ?? '';
  if (!subpath) return { ...resolved.mount, source };
  await op.make({ ...subpath, args: { ...subpath.args, source } }, signal);
  return { ...resolved.mount, source: subpath.args.target };
}

/** A driver answers a volume's mountpoint; a view is where we mounted it. */
function sourceOf(made: Effect, learned: unknown): string {
  if (made.kind === 'volume-mount') return String(learned);
  return made.kind === 'snapshot-mount' ? (made.args as Effect<'snapshot-mount'>['args']).target : '';
}

/** A fresh id for each start, unless the last unmount failed: then the driver still counts the old one. */
function withMountId(ctx: ContainerContext, containerId: string, mount: ContainerMount): ContainerMount {
  if (!mount.volume) return mount;
  const { mountId } = mount.volume;
  const stillHeld =
    mountId !== '' && ctx.store.effect(`volume-mount/${containerId}/${mountId}`) !== undefined;
  return { ...mount, volume: { ...mount.volume, mountId: stillHeld ? mountId : newMountId() } };
}

export function newMountId(): string {
  return randomBytes(32).toString('hex');
}

export function volumeMountEffect(containerId: string, mount: ContainerMount): Effect<'volume-mount'> {
  const { driver = '', mountId = '' } = mount.volume ?? {};
  return effect('volume-mount', `${containerId}/${mountId}`, { driver, name: mount.source ?? '', mountId });
}

function effectsFor(
  ctx: ContainerContext,
  { id, snapshotDriver }: ContainerRecord,
  index: number,
  wanted: MountEffect,
): readonly Effect[] {
  switch (wanted.kind) {
    case 'volume-mount': {
      const { driver, name, mountId } = wanted;
      return [effect('volume-mount', `${id}/${mountId}`, { driver, name, mountId })];
    }
    case 'host-directory':
      return [effect('host-directory', `${id}/${index}`, { path: wanted.path, keep: true })];
    case 'snapshot-view': {
      const key = `${id}-view-${index}`;
      const { layers } = wanted;
      const target = path.join(ctx.stateDir, id, `view-${index}`);
      return [
        effect('snapshot', key, { driver: snapshotDriver, key, layers, volatile: true, readOnly: true }),
        effect('snapshot-mount', key, { driver: snapshotDriver, key, target }),
      ];
    }
  }
}

function subpathEffect(
  ctx: ContainerContext,
  id: string,
  index: number,
  resolved: ResolvedMount,
): Effect<'bind-mount'> | undefined {
  const subpath = resolved.sourceFrom?.subpath;
  if (!subpath) return undefined;
  const target = path.join(ctx.stateDir, id, `subpath-${index}`);
  return effect('bind-mount', `${id}/${index}`, { target, source: '', subpath });
}
