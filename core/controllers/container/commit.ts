/** `docker commit`: a container's changes as a layer, frozen meanwhile, and an image of it. */
import { runtimePoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { type FileChange, snapshotPoint } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import Type, { type Static } from 'typebox';
import { containerEvent } from '../../events/emit.ts';
import { applyChanges } from '../../images/config-changes.ts';
import type { StagedBlob } from '../../images/content.ts';
import type { ContainerDefaults } from '../../images/image-config.ts';
import { validatorOf } from '../../schema/validate.ts';
import { effect } from '../../store/effect.ts';
import type { ContainerRecord, ImageRecord } from '../../store/record-types.ts';
import { chunksOf } from '../../trees/chunks.ts';
import type { RootSpec } from '../../trees/jobs.ts';
import type { ContainerContext } from './context.ts';
import { rootOfTask, withMounted } from './copy-root.ts';
import { findContainer } from './find.ts';

const Texts = Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()]));
const Text = Type.Optional(Type.String());
const Names = Type.Optional(Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()]));

/** Over the container's own configuration. */
export const CommitSchema = Type.Object({
  User: Text,
  Env: Texts,
  Cmd: Texts,
  Entrypoint: Texts,
  WorkingDir: Text,
  Labels: Type.Optional(Type.Union([Type.Record(Type.String(), Type.String()), Type.Null()])),
  ExposedPorts: Names,
  Volumes: Names,
  StopSignal: Text,
  OnBuild: Texts,
  Shell: Texts,
});
export type CommitBody = Static<typeof CommitSchema>;
const validate = validatorOf('commit', CommitSchema);

export interface CommitRequest {
  /** '' for none. */
  readonly name: string;
  readonly author: string;
  readonly comment: string;
  /** Dockerfile lines. */
  readonly changes: readonly string[];
  readonly pause: boolean;
  readonly body: unknown;
}

/** Answers the image's id. Errors: NotFound, InvalidArgument, ResourceExhausted (the disk is full); nothing is left then. */
export async function commitContainer(
  ctx: ContainerContext,
  reference: string,
  request: CommitRequest,
  signal: AbortSignal,
): Promise<string> {
  const body = validate(request.body ?? {});
  const { id, imageId } = findContainer(ctx.store, reference);
  return ctx.images.whileThere([imageId], async () => {
    const base = ctx.images.require(imageId);
    const record = findContainer(ctx.store, id);
    const config = applyChanges({ ...configOf(record, base), ...given(body) }, request.changes);
    await ctx.images.ensureUnpacked(base, signal);
    const layer = await ctx.locks.hold([`container/${id}`], signal, () =>
      stageLayer(ctx, findContainer(ctx.store, id), request.pause, signal),
    );
    try {
      const { name, author, comment } = request;
      const createdBy = commandOf(record, base);
      const made = { base, layer, config, author, comment, createdBy, now: new Date() };
      const image = await ctx.images.commit(made, name, signal);
      containerEvent(ctx.events, record, 'commit', { comment, imageID: image, imageRef: name });
      return image;
    } finally {
      await layer?.discard();
    }
  });
}

/** What the container has changed, as a blob of its own; undefined when that is nothing. The caller holds its key. */
async function stageLayer(
  ctx: ContainerContext,
  record: ContainerRecord,
  pause: boolean,
  signal: AbortSignal,
): Promise<StagedBlob | undefined> {
  const stage = (root: RootSpec) => stageChanges(ctx, record, root, signal);
  if (record.state.status !== 'running') {
    return withMounted(ctx, record, true, signal, ({ root }) => stage(root));
  }
  const { id, runtime } = record;
  const driver = await ctx.drivers.driver(runtimePoint, runtime);
  const root = await rootOfTask(ctx, record, true, signal);
  if (!root) throw new HostError('Conflict', 'NOT_RUNNING', `commit container ${id}: it is just ending`);
  if (!pause || record.state.paused || !driver.pause) return stage(root);
  const frozen = effect('task-pause', id, { driver: runtime, id });
  await using op = await ctx.store.begin('container.commit', `container/${id}`, { makes: [frozen] });
  await op.make(frozen, signal);
  const layer = await stage(root);
  await op.release(frozen.key, signal).catch(async (error: unknown) => {
    await layer?.discard();
    throw error;
  });
  await op.commit({});
  return layer;
}

async function stageChanges(
  ctx: ContainerContext,
  { id, snapshotDriver }: ContainerRecord,
  root: RootSpec,
  signal: AbortSignal,
): Promise<StagedBlob | undefined> {
  const driver = await ctx.drivers.driver(snapshotPoint, snapshotDriver);
  const changes: readonly FileChange[] = await driver.changes({ key: id }, { signal });
  if (changes.length === 0) return undefined;
  const tar = chunksOf((output) =>
    ctx.copies.threads.run({ kind: 'layer', root, changes }, { owner: id, signal, output }),
  );
  return ctx.images.stage(tar, signal);
}

/** The configuration that the container runs with. */
function configOf({ config, process }: ContainerRecord, { config: image }: ImageRecord): ContainerDefaults {
  const own = config as CommitBody & { readonly Healthcheck?: ContainerDefaults['Healthcheck'] };
  const entrypoint = own.Entrypoint ?? image.Entrypoint;
  const inherited = own.Entrypoint?.length ? undefined : image.Cmd;
  const cmd = own.Cmd?.length ? own.Cmd : inherited;
  const merged = {
    ...image,
    User: process.user,
    Env: process.env,
    WorkingDir: process.cwd === '/' ? (image.WorkingDir ?? '') : process.cwd,
    Labels: { ...image.Labels, ...own.Labels },
    ExposedPorts: { ...image.ExposedPorts, ...own.ExposedPorts },
    Volumes: { ...image.Volumes, ...own.Volumes },
    Entrypoint: entrypoint,
    Cmd: cmd,
    StopSignal: own.StopSignal || image.StopSignal,
    Healthcheck: own.Healthcheck ?? image.Healthcheck,
  };
  return given(merged) as ContainerDefaults;
}

/** Without what is empty. */
function given(config: object): object {
  const isThere = (value: unknown) =>
    typeof value === 'object' && value !== null ? Object.keys(value).length > 0 : Boolean(value);
  return Object.fromEntries(Object.entries(config).filter(([, value]) => isThere(value)));
}

/** What the history names: the container's command. */
function commandOf({ config }: ContainerRecord, { config: image }: ImageRecord): string {
  const { Cmd } = config as CommitBody;
  return (Cmd?.length ? Cmd : (image.Cmd ?? [])).join(' ');
}
