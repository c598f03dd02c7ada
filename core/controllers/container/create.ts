/** `docker create`: checks everything that can be checked, makes the volumes and the writable layer, writes the record. */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { runtimePoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { volumePoint } from '@gantry/plugin-sdk/contracts/volume.ts';
import { HostError, isHostError, isKind } from '@gantry/plugin-sdk/errors.ts';
import { containerEvent, volumeEvent } from '../../events/emit.ts';
import { validatorOf } from '../../schema/validate.ts';
import { effect } from '../../store/effect.ts';
import type { ContainerMount, ContainerRecord, ImageRecord, VolumeRecord } from '../../store/record-types.ts';
import type { Put } from '../../store/store.ts';
import { type LogConfig, mergeLogConfig } from '../logs/log-config.ts';
import { volumeEffect, volumeKeys } from '../volume/record.ts';
import { type ContainerContext, ZERO_TIME } from './context.ts';
import { copyUp } from './copy-up.ts';
import { settleHostname } from './etc/hostname.ts';
import { findContainer, findIfThere } from './find.ts';
import { mergeHealthcheck } from './healthcheck.ts';
import { signalNumber } from './lifecycle.ts';
import { type PlannedMount, planMounts } from './mount-plan.ts';
import { checkMacAddress } from './options/mac-address.ts';
import { checkPlatform } from './options/platform.ts';
import { settleOptions } from './options/settle.ts';
import { checkEnvironment, mergeEnvironment, workingDirectory } from './process-request.ts';
import { type CreateBody, CreateSchema, type HostConfigBody } from './request.ts';
import { checkRestartPolicy } from './restart-policy.ts';
import { refuseUnsupported } from './unsupported.ts';

export interface Created {
  readonly id: string;
  readonly warnings: readonly string[];
}

const validate = validatorOf('create container', CreateSchema);

export async function createContainer(
  ctx: ContainerContext,
  raw: Readonly<Record<string, unknown>>,
  { name: wantedName, platform }: { readonly name: string; readonly platform: string },
  signal: AbortSignal,
): Promise<Created> {
  const body = validate(raw);
  refuseUnsupported(body.HostConfig ?? {});
  checkOptions(body);
  const { hostConfig, warnings } = settleOptions(body.HostConfig ?? {}, {
    find: (name) => findIfThere(ctx.store, name),
    defaults: ctx.defaults,
  });
  const logConfig = mergeLogConfig(hostConfig.LogConfig, ctx.defaults.log);
  const image = ctx.images.require(body.Image);
  checkPlatform(platform, image, body.Image);
  const healthcheck = mergeHealthcheck(body.Healthcheck, image.config.Healthcheck);
  const id = randomBytes(32).toString('hex');
  const { logPath } = await ctx.logs.check(logConfig, id);
  const processSpec = processOf(body, image);
  const plan = planMounts({
    hostConfig,
    volumes: Object.keys({ ...image.config.Volumes, ...body.Volumes }),
    containers: (name) => giver(ctx, name),
  });
  await checkDrivers(ctx, hostConfig, plan);
  const { name, release } = ctx.names.reserve(wantedName, id);
  try {
    const volumes = plan
      .filter((mount) => mount.type === 'volume' && mount.source)
      .map((mount) => mount.source ?? '');
    const make = async () => {
      const { mounts, own } = await settleMounts(ctx, plan, signal);
      const record = recordOf({
        id,
        name,
        body,
        raw: { ...raw, ...(healthcheck && { Healthcheck: healthcheck }) },
        hostConfig,
        image,
        mounts,
        processSpec,
        logConfig,
        logPath,
        ctx,
      });
      await makeContainer(ctx, record, own, signal);
      return { id, warnings: [...warnings, ...warningsOf(hostConfig)] };
    };
    const keys = [`container/${id}` as const, ...volumeKeys(volumes)];
    const used = imagesOf(ctx, image, plan);
    return await ctx.images.whileThere(used, async () => {
      for (const one of used) await ctx.images.ensureUnpacked(ctx.images.require(one), signal);
      return ctx.locks.hold(keys, signal, make);
    });
  } finally {
    release();
  }
}

/** Ids of the images that it runs and mounts. */
function imagesOf(
  ctx: ContainerContext,
  image: ImageRecord,
  plan: readonly PlannedMount[],
): readonly string[] {
  const mounted = plan.filter(({ type }) => type === 'image');
  return [image.id, ...mounted.map(({ source = '' }) => ctx.images.require(source).id)];
}

/** Its own volumes, files, writable layer and copied-up content; the container exists once the record does. */
async function makeContainer(
  ctx: ContainerContext,
  record: ContainerRecord,
  own: readonly VolumeRecord[],
  signal: AbortSignal,
): Promise<void> {
  const dir = path.join(ctx.rootDir, record.id);
  const files = effect('host-directory', record.id, { path: dir, keep: false });
  const snapshot = effect('snapshot', record.id, {
    driver: record.snapshotDriver,
    key: record.id,
    layers: record.layers,
    volatile: record.autoRemove,
  });
  const copies = copyUp(ctx, record);
  await using op = await ctx.store.begin('container.create', `container/${record.id}`, {
    makes: [...own.map(volumeEffect), files, snapshot, ...copies.makes],
  });
  const volumes: VolumeRecord[] = [];
  for (const volume of own) volumes.push(await ctx.volumes.makeWithin(op, volume, signal));
  await op.make(files, signal);
  await op.make(snapshot, signal);
  await copies.run(op, signal);
  const puts = volumes.map((volume): Put => ({ kind: 'volume', id: volume.name, record: volume }));
  await op.commit({ put: [...puts, { kind: 'container', id: record.id, record }] });
  for (const volume of volumes) volumeEvent(ctx.events, volume, 'create');
  containerEvent(ctx.events, record, 'create');
}

/**
 * Makes or finds the volumes that the mounts name; one stays also when the container then fails, as in Docker. Those
 * without a name are planned only: they come and go with the container.
 */
async function settleMounts(
  ctx: ContainerContext,
  plan: readonly PlannedMount[],
  signal: AbortSignal,
): Promise<{ readonly mounts: readonly ContainerMount[]; readonly own: readonly VolumeRecord[] }> {
  const mounts: ContainerMount[] = [];
  const own: VolumeRecord[] = [];
  for (const { volume, imageSubpath, ...mount } of plan) {
    if (mount.type === 'image') {
      const image = ctx.images.require(mount.source ?? '');
      mounts.push({
        ...mount,
        image: { id: image.id, layers: image.layers, ...(imageSubpath && { subpath: imageSubpath }) },
      });
    } else if (volume) {
      const request = { ...volume, name: mount.source ?? '' };
      const { name, driver } = mount.source
        ? await ctx.volumes.createLocked(request, false, signal)
        : await ctx.volumes
            .planAnonymous(request, signal)
            .then((planned) => own[own.push(planned) - 1] ?? planned);
      const subpath = volume.subpath && { subpath: volume.subpath };
      mounts.push({ ...mount, source: name, volume: { driver, mountId: '', ...subpath } });
    } else mounts.push(mount);
  }
  return { mounts, own };
}

/** `--volumes-from`. Not a NotFound: the docker command takes that for a missing image and pulls. */
function giver(ctx: ContainerContext, name: string): ContainerRecord {
  try {
    return findContainer(ctx.store, name);
  } catch (error) {
    throw new HostError('InvalidArgument', 'INVALID_VOLUMES_FROM', 'volumes from', { cause: error });
  }
}

/** An unknown driver fails before anything is made. */
async function checkDrivers(
  ctx: ContainerContext,
  hostConfig: HostConfigBody,
  plan: readonly PlannedMount[],
): Promise<void> {
  const { Runtime } = hostConfig;
  if (Runtime) {
    await ctx.drivers.driver(runtimePoint, Runtime).catch((error: unknown) => {
      // Not a NotFound: the docker command takes that for a missing image and pulls.
      if (!isKind(error, 'NotFound')) throw error;
      const message = `unknown or invalid runtime name: ${Runtime}`;
      throw new HostError('InvalidArgument', 'UNKNOWN_RUNTIME', message, { cause: error });
    });
  }
  const wanted = new Set(plan.flatMap((mount) => (mount.volume?.driver ? [mount.volume.driver] : [])));
  for (const driver of wanted) {
    await ctx.drivers.driver(volumePoint, driver).catch((error: unknown) => {
      if (isHostError(error) && error.kind === 'NotFound') throw error;
    });
  }
}

/** What only the start uses, and would refuse too late. */
function checkOptions({ Env, StopSignal, MacAddress, HostConfig }: CreateBody): void {
  checkMacAddress(MacAddress, HostConfig?.NetworkMode);
  checkRestartPolicy(HostConfig?.RestartPolicy, HostConfig?.AutoRemove ?? false);
  if (StopSignal) signalNumber(StopSignal);
  checkEnvironment(Env ?? []);
}

type ProcessSpec = ContainerRecord['process'];

function processOf(body: CreateBody, image: ImageRecord): ProcessSpec {
  const { Entrypoint, Cmd } = commandOf(body, image);
  const args = [...(Entrypoint ?? []), ...(Cmd ?? [])].filter((word, index) => index > 0 || word !== '');
  if (args.length === 0) throw new HostError('InvalidArgument', 'NO_COMMAND', 'no command specified');
  return {
    args,
    env: mergeEnvironment(image.config.Env ?? [], body.Env ?? []),
    cwd: workingDirectory(body.WorkingDir || image.config.WorkingDir || '/'),
    user: body.User || image.config.User || '',
    terminal: body.Tty ?? false,
    openStdin: body.OpenStdin ?? false,
    stdinOnce: body.StdinOnce ?? false,
  };
}

type Words = readonly string[] | null;

/** An entrypoint of the user's own takes the image's command out too. */
function commandOf(body: CreateBody, { config }: ImageRecord): { Entrypoint: Words; Cmd: Words } {
  const words = (value: string | string[] | null | undefined) =>
    value === null || value === undefined ? undefined : typeof value === 'string' ? [value] : value;
  const entrypoint = words(body.Entrypoint);
  const given = words(body.Cmd);
  const inherited = entrypoint?.length ? [] : (config.Cmd ?? []);
  const command = given?.length ? given : inherited;
  return { Entrypoint: entrypoint ?? config.Entrypoint ?? null, Cmd: command.length > 0 ? command : null };
}

function recordOf(parts: {
  id: string;
  name: string;
  body: CreateBody;
  raw: Readonly<Record<string, unknown>>;
  hostConfig: HostConfigBody;
  image: ImageRecord;
  mounts: readonly ContainerMount[];
  processSpec: ProcessSpec;
  logConfig: LogConfig;
  logPath: string;
  ctx: ContainerContext;
}): ContainerRecord {
  const { id, name, body, raw, hostConfig, image, mounts, processSpec, logConfig, logPath, ctx } = parts;
  const { HostConfig: given, NetworkingConfig: _, ...config } = raw;
  return {
    id,
    name,
    createdAt: new Date().toISOString(),
    imageId: image.id,
    imageName: body.Image,
    layers: image.layers,
    snapshotDriver: ctx.defaults.snapshot,
    runtime: hostConfig.Runtime || ctx.defaults.runtime,
    config: {
      ...config,
      ...commandOf(body, image),
      WorkingDir: body.WorkingDir || image.config.WorkingDir ? processSpec.cwd : '',
      Hostname: settleHostname(id, body, hostConfig),
      StopSignal: body.StopSignal || image.config.StopSignal,
      Labels: { ...image.config.Labels, ...body.Labels },
    },
    hostConfig: { ...(given as object | null | undefined), ...hostConfig, LogConfig: logConfig },
    logPath,
    process: processSpec,
    autoRemove: hostConfig.AutoRemove ?? false,
    mounts,
    state: {
      status: 'created',
      pid: 0,
      exitCode: 0,
      error: '',
      oomKilled: false,
      startedAt: ZERO_TIME,
      finishedAt: ZERO_TIME,
    },
  };
}

function warningsOf({ NetworkMode }: HostConfigBody): readonly string[] {
  if (NetworkMode === 'none' || NetworkMode === 'host') return [];
  return [
    'networks are not there yet: the container gets a loopback interface only (--network none says so without this warning)',
  ];
}
