/** `docker push`: the blobs that the registry lacks, side by side, then configuration, then manifest. */
import { createReadStream } from 'node:fs';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { type Descriptor, parseManifest } from '../../../registry/client/manifest.ts';
import type { Repository } from '../../../registry/client/repository.ts';
import type { Credentials } from '../../../registry/client/tokens.ts';
import { putManifest, type UploadBlob, upload } from '../../../registry/client/upload.ts';
import { imageEvent } from '../../events/emit.ts';
import type { EventLog } from '../../events/event-log.ts';
import type { ContentStore } from '../../images/content.ts';
import { readManifest } from '../../images/manifest.ts';
import type { LayerProgress, ReportLayer } from '../../images/progress.ts';
import { eachOf } from '../../images/side-by-side.ts';
import type { ImageRecord } from '../../store/record-types.ts';
import type { Images } from '../image.ts';
import { familiarName, type ImageName, parseName, repositoryOf } from '../image-name.ts';
import type { Registries } from './registries.ts';

export interface PushRequest {
  /** With a tag, or without for all tags. */
  readonly reference: string;
  readonly credentials?: Credentials | undefined;
}

export type PushProgress =
  | { readonly kind: 'repository'; readonly repository: string }
  | ({ readonly kind: 'layer' } & LayerProgress)
  | { readonly kind: 'done'; readonly tag: string; readonly digest: string; readonly sizeBytes: number };

export type ReportPush = (progress: PushProgress) => void;

export interface PushParts {
  readonly images: Images;
  readonly registries: Registries;
  readonly content: ContentStore;
  readonly events: EventLog;
}

export class Pushes {
  readonly #parts: PushParts;

  constructor(parts: PushParts) {
    this.#parts = parts;
  }

  /** Errors: NotFound for a name that no image has, and what the registry says. */
  async push(request: PushRequest, report: ReportPush, signal: AbortSignal): Promise<void> {
    const { images, registries } = this.#parts;
    const name = parseName(request.reference);
    const full = repositoryOf(name);
    report({ kind: 'repository', repository: full });
    const tagged = this.#tagged(name);
    const readsFrom = this.#nearby(
      name,
      tagged.map(({ image }) => image),
    );
    await using repository = registries.repository(name, 'push', request.credentials, readsFrom);
    for (const { tag, image } of tagged) {
      await images.whileThere([image.id], () =>
        this.#one(repository, { name, tag, image, readsFrom }, report, signal),
      );
    }
  }

  #tagged(name: ImageName): readonly { readonly tag: string; readonly image: ImageRecord }[] {
    const full = repositoryOf(name);
    const all = this.#parts.images
      .all()
      .flatMap((image) => image.names.map((one) => ({ one, image })))
      .filter(({ one }) => one.startsWith(`${full}:`))
      .map(({ one, image }) => ({ tag: one.slice(full.length + 1), image }));
    const wanted = name.tag === undefined ? all : all.filter(({ tag }) => tag === name.tag);
    if (wanted.length > 0) return wanted;
    const spelled = familiarName(full);
    const message =
      all.length === 0
        ? `An image does not exist locally with the tag: ${spelled}`
        : `tag does not exist: ${spelled}:${name.tag}`;
    throw new HostError('NotFound', 'IMAGE_NOT_FOUND', message);
  }

  /** Other repositories of the same registry that have had a blob of these images, by what was pulled and pushed. */
  #nearby({ domain, path }: ImageName, pushed: readonly ImageRecord[]): readonly string[] {
    const blobs = new Set(pushed.flatMap((image) => image.blobs));
    const paths = this.#parts.images
      .all()
      .filter((image) => image.blobs.some((blob) => blobs.has(blob)))
      .flatMap(({ digests = [] }) => digests.map((digest) => parseName(digest)))
      .filter((one) => one.domain === domain && one.path !== path)
      .map((one) => one.path);
    return [...new Set(paths)].slice(0, MAX_NEARBY);
  }

  async #one(
    repository: Repository,
    {
      name,
      tag,
      image,
      readsFrom,
    }: { name: ImageName; tag: string; image: ImageRecord; readsFrom: readonly string[] },
    report: ReportPush,
    signal: AbortSignal,
  ): Promise<void> {
    const { content, images, registries, events } = this.#parts;
    const document = readManifest(image.manifest, await content.read(image.manifest));
    const { config, layers } = parseManifest(document);
    const tell: ReportLayer = (progress) => report({ kind: 'layer', ...progress });
    const shown = layers.map((blob, at) => ({ blob, digest: image.layers[at] ?? blob.digest }));
    for (const { digest } of shown) tell({ digest, state: 'preparing' });
    const unique = [...new Map(shown.map((one) => [one.blob.digest, one])).values()];
    const send = (one: (typeof unique)[number]) => this.#layer(repository, one, readsFrom, tell, signal);
    await eachOf(unique, registries.concurrentUploads, send);
    await upload(repository, await this.#source(config), { signal });
    await putManifest(repository, tag, document, signal);
    const full = repositoryOf(name);
    await images.published(image.id, `${full}@${document.digest}`, signal);
    imageEvent(events, image, 'push', familiarName(`${full}:${tag}`));
    report({ kind: 'done', tag, digest: document.digest, sizeBytes: document.bytes.length });
  }

  async #layer(
    repository: Repository,
    { blob, digest }: { blob: Descriptor; digest: string },
    mountFrom: readonly string[],
    tell: ReportLayer,
    signal: AbortSignal,
  ): Promise<void> {
    const totalBytes = blob.sizeBytes;
    const onProgress = (currentBytes: number) => tell({ digest, state: 'pushing', currentBytes, totalBytes });
    const done = await upload(repository, await this.#source(blob), { mountFrom, onProgress, signal });
    if (done.how === 'mounted') tell({ digest, state: 'mounted', from: done.from });
    else tell({ digest, state: done.how === 'present' ? 'known there' : 'pushed' });
  }

  async #source({ digest }: Descriptor): Promise<UploadBlob> {
    const { content } = this.#parts;
    const path = content.path(digest);
    return {
      digest,
      sizeBytes: await content.size(digest),
      open: (start, end) => createReadStream(path, { start, end: end - 1, highWaterMark: READ_BYTES }),
    };
  }
}

const MAX_NEARBY = 4;
const READ_BYTES = 1 << 20;
