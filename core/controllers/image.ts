/** Images: what names mean, and how archives become images. Blobs and layers are core/images' and the snapshot driver's. */
import type { Readable } from 'node:stream';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { Platform } from '../../registry/client/platform.ts';
import { imageEvent } from '../events/emit.ts';
import type { EventLog } from '../events/event-log.ts';
import type { CommitOptions } from '../images/commit-image.ts';
import type { StagedBlob } from '../images/content.ts';
import { isLayerOf } from '../images/layer-use.ts';
import type { ContentLease } from '../images/lease.ts';
import type { ReportLayer } from '../images/progress.ts';
import { effect } from '../store/effect.ts';
import type { Locks } from '../store/locks.ts';
import type { ImageRecord } from '../store/record-types.ts';
import type { Put, Store } from '../store/store.ts';
import { bytesOfLayers, losesContent, withImages, withName, withoutNames } from './image/records.ts';
import { planRemoval, usersOf } from './image/removal.ts';
import { familiarName, type ImageName, normalizeName, parseName, repositoryOf } from './image-name.ts';

/** An image as an archive gave it, with its blobs and layers in place. */
export interface UnpackedImage {
  readonly record: Omit<ImageRecord, 'names' | 'loadedAt'>;
  /** As the archive names it: `busybox:latest`. */
  readonly names: readonly string[];
  /** Where it is from: `docker.io/library/busybox@sha256:…`. */
  readonly digests?: readonly string[];
}

/** What one step of a removal did: to a name, or to the image with this id. */
export type Removed = { readonly untagged: string } | { readonly deleted: string };

export interface LoadRequest {
  /** Which of an archive's images to take where it has one name for several; undefined for this machine's. */
  readonly platform?: Platform | undefined;
  readonly onText: (text: string) => void;
  readonly report: ReportLayer;
}

/** Which content records name, as they are at the moment of asking. */
export interface UsedContent {
  /** As a snapshot driver names it; see core/images/layer-use.ts. */
  layer(layer: readonly string[]): boolean;
  blob(digest: string): boolean;
}

/** Reads archives. What is taken in under a lease stays, though no record names it yet, until the lease is disposed of. */
export interface ImageArchives {
  lease(): ContentLease;
  load(
    archive: Readable,
    options: Pick<LoadRequest, 'platform' | 'report'>,
    lease: ContentLease,
    signal: AbortSignal,
  ): Promise<readonly UnpackedImage[]>;
  import(
    archive: Readable,
    options: { changes: readonly string[]; message: string },
    lease: ContentLease,
    signal: AbortSignal,
  ): Promise<UnpackedImage>;
  /** Removes what downloads that were cut off have left. */
  trim(): Promise<void>;
  /** A blob of nobody's yet; whoever asks for it commits or discards it. Errors: ResourceExhausted. */
  stage(source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<StagedBlob>;
  commit(options: CommitOptions, lease: ContentLease, signal: AbortSignal): Promise<UnpackedImage>;
  /** Removes blobs and layers that are neither used nor under a lease. */
  collect(used: UsedContent, signal: AbortSignal): Promise<void>;
  /** Whether the driver that new containers use has all layers of the image: another did when it was chosen anew. */
  isUnpacked(image: ImageRecord, signal: AbortSignal): Promise<boolean>;
  /** Unpacks what is missing from the kept blobs. Errors: NotFound when one is not kept any more. */
  unpack(image: ImageRecord, signal: AbortSignal): Promise<void>;
}

/** Names and content are shared by all images, so whoever changes records does so alone; held for moments only. */
const CONTENT = 'image/content';

export class Images {
  readonly #store: Store;
  readonly #locks: Locks;
  readonly #archives: ImageArchives;
  readonly #events: EventLog;
  /** How many containers are being made of an image, by its id: no record names them yet. */
  readonly #awaited = new Map<string, number>();
  /** Ids of images that are being removed. */
  readonly #going = new Set<string>();

  constructor(store: Store, locks: Locks, archives: ImageArchives, events: EventLog) {
    this.#store = store;
    this.#locks = locks;
    this.#archives = archives;
    this.#events = events;
  }

  all(): readonly ImageRecord[] {
    return this.#store.records.all('image');
  }

  /** By name, id or beginning of the id. Throws NotFound in the words that make the docker command pull. */
  require(reference: string): ImageRecord {
    const found = this.find(reference);
    if (found) return found;
    const name = /^(sha256:)?[0-9a-f]{12,64}$/.test(reference)
      ? reference
      : familiarName(normalizeName(reference));
    throw absent(name);
  }

  find(reference: string): ImageRecord | undefined {
    const exact = this.#store.records.get('image', reference);
    if (exact) return exact;
    const hex = reference.replace(/^sha256:/, '');
    const all = this.all();
    const named = isName(reference) ? this.#findNamed(parseName(reference), reference) : undefined;
    if (named || !/^[0-9a-f]{2,64}$/.test(hex)) return named;
    const begun = all.filter(({ id }) => id.startsWith(`sha256:${hex}`));
    if (begun.length > 1) {
      throw new HostError(
        'InvalidArgument',
        'AMBIGUOUS_ID',
        `multiple IDs found with provided prefix: ${reference}`,
      );
    }
    return begun[0];
  }

  #findNamed(name: ImageName, reference: string): ImageRecord | undefined {
    if (name.digest !== undefined) return this.all().find((image) => hasDigest(image, name));
    const full = normalizeName(reference);
    return this.all().find(({ names }) => names.includes(full));
  }

  /** Runs `work` while none of the images, by id, can be removed. Errors: NotFound for one that is gone or going. */
  async whileThere<T>(ids: readonly string[], work: () => Promise<T>): Promise<T> {
    for (const id of ids) if (this.#going.has(id) || !this.find(id)) throw absent(id);
    const count = (id: string, by: number) => this.#awaited.set(id, (this.#awaited.get(id) ?? 0) + by);
    for (const id of ids) count(id, 1);
    try {
      return await work();
    } finally {
      for (const id of ids) if (count(id, -1).get(id) === 0) this.#awaited.delete(id);
    }
  }

  /**
   * Makes sure that new containers can use the image's layers; it is on the books, so whatever a crash leaves of that is
   * wanted. The caller keeps the image from being removed.
   */
  async ensureUnpacked(image: ImageRecord, signal: AbortSignal): Promise<void> {
    if (!(await this.#archives.isUnpacked(image, signal))) await this.#archives.unpack(image, signal);
  }

  /** Takes in every image of a `docker save` or OCI archive; `onText` gets lines for a person. */
  async load(
    archive: Readable,
    { platform, onText, report }: LoadRequest,
    signal: AbortSignal,
  ): Promise<void> {
    const images = await this.takeIn('image.load', signal, (lease) =>
      this.#archives.load(archive, { platform, report }, lease, signal),
    );
    for (const { record, names } of images) {
      // An archive may say a name twice, short and whole.
      const shown = [...new Set(names.map((name) => familiarName(normalizeName(name))))];
      if (shown.length === 0) onText(`Loaded image ID: ${record.id}\n`);
      for (const name of shown) onText(`Loaded image: ${name}\n`);
      for (const name of shown.length > 0 ? shown : [record.id])
        imageEvent(this.#events, record, 'load', name);
    }
  }

  /** A root file system as an image of one layer; answers its id. */
  async import(
    archive: Readable,
    options: { changes: readonly string[]; message: string; name: string },
    signal: AbortSignal,
  ): Promise<string> {
    if (options.name !== '') normalizeName(options.name);
    const names = options.name === '' ? [] : [options.name];
    const [image] = await this.takeIn('image.import', signal, async (lease) => [
      { ...(await this.#archives.import(archive, options, lease, signal)), names },
    ]);
    if (!image) return '';
    imageEvent(this.#events, image.record, 'import');
    if (options.name !== '') imageEvent(this.#events, image.record, 'tag', familiarName(options.name));
    return image.record.id;
  }

  stage(source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<StagedBlob> {
    return this.#archives.stage(source, signal);
  }

  /** An image on top of another, under `name` or, for '', none; answers its id. */
  async commit(options: CommitOptions, name: string, signal: AbortSignal): Promise<string> {
    const names = name === '' ? [] : [normalizeName(name)];
    const [image] = await this.takeIn('image.commit', signal, async (lease) => [
      { ...(await this.#archives.commit(options, lease, signal)), names },
    ]);
    if (!image) return '';
    if (name !== '') imageEvent(this.#events, image.record, 'tag', familiarName(normalizeName(name)));
    return image.record.id;
  }

  /**
   * Brings images in as one operation: `work` puts their content in place, under the lease, and this puts them on the
   * books; cut off or failed, what nobody uses is collected. Many go on side by side.
   */
  async takeIn(
    name: string,
    signal: AbortSignal,
    work: (lease: ContentLease) => Promise<readonly UnpackedImage[]>,
  ): Promise<readonly UnpackedImage[]> {
    const id = crypto.randomUUID();
    const object = `image/taking-in/${id}` as const;
    const unpacked = effect('unpacked-image', id, { digests: [] });
    return this.#locks.hold([object], signal, async () => {
      await using op = await this.#locks.hold([CONTENT], signal, () =>
        this.#store.begin(name, object, { makes: [unpacked] }),
      );
      op.made(unpacked);
      await using lease = this.#archives.lease();
      const images = await work(lease);
      const replaces = await this.#locks.hold([CONTENT], signal, async () => {
        const puts = withImages(this.all(), images, new Date().toISOString());
        const replaces = losesContent([...this.all(), ...images.map(({ record }) => record)], puts);
        await op.commit({ put: puts.map(toPut) }, { keep: replaces });
        return replaces;
      });
      if (replaces) await this.#collectOf(object, unpacked.key, signal);
      return images;
    });
  }

  /** Gives an image a further name, which another may lose by it. Errors: NotFound, InvalidArgument. */
  async tag(reference: string, name: string, signal: AbortSignal): Promise<void> {
    const full = normalizeName(name);
    await this.#locks.hold([CONTENT], signal, async () => {
      const image = this.require(reference);
      await this.#store.put('image.tag', { put: withName(this.all(), image, full).map(toPut) });
      imageEvent(this.#events, image, 'tag', familiarName(full));
    });
  }

  /** Notes where a registry has an image. Harmless for one that is gone. */
  async published(id: string, digest: string, signal: AbortSignal): Promise<void> {
    await this.#locks.hold([CONTENT], signal, async () => {
      const image = this.#store.records.get('image', id);
      if (!image || image.digests?.includes(digest)) return;
      const digests = [...(image.digests ?? []), digest];
      await this.#store.put('image.published', { put: [toPut({ ...image, digests })] });
    });
  }

  /** Takes a name away, and the image with its last one. Answers what happened, in order. */
  async remove(
    reference: string,
    { force, prune = true }: { force: boolean; prune?: boolean },
    signal: AbortSignal,
  ): Promise<readonly Removed[]> {
    return this.#locks.hold([CONTENT], signal, () => this.#removeHeld(reference, force, prune, signal));
  }

  async #removeHeld(
    reference: string,
    force: boolean,
    prune: boolean,
    signal: AbortSignal,
  ): Promise<readonly Removed[]> {
    const image = this.require(reference);
    const users = usersOf(this.#store, image.id, this.#awaited.has(image.id));
    const { untag, isRemoved } = planRemoval(image, reference, { force, users, all: this.all() });
    const untagged = untag.map((one) => ({ untagged: familiarName(one) }));
    if (!isRemoved) {
      const put = [toPut(withoutNames(image, untag))];
      await this.#store.put('image.untag', { put });
      for (const _ of untag) imageEvent(this.#events, image, 'untag');
      return untagged;
    }
    this.#going.add(image.id);
    await this.#drop(image, signal).finally(() => this.#going.delete(image.id));
    for (const _ of untag) imageEvent(this.#events, image, 'untag');
    imageEvent(this.#events, image, 'delete');
    const parent = prune ? this.#store.records.get('image', image.parent ?? '') : undefined;
    return [...untagged, { deleted: image.id }, ...(parent ? await this.#dropUnnamed(parent, signal) : [])];
  }

  /** An image that only the one made from it had kept goes along. */
  async #dropUnnamed(image: ImageRecord, signal: AbortSignal): Promise<readonly Removed[]> {
    const isKept =
      image.names.length > 0 ||
      (image.digests ?? []).length > 0 ||
      usersOf(this.#store, image.id, this.#awaited.has(image.id)).length > 0 ||
      this.all().some(({ parent }) => parent === image.id);
    return isKept ? [] : this.#removeHeld(image.id, false, true, signal);
  }

  /** Removes every image that `isWanted` names and nothing uses; answers what happened and the bytes that became free. */
  async prune(
    isWanted: (image: ImageRecord) => boolean,
    signal: AbortSignal,
  ): Promise<{ readonly removed: readonly Removed[]; readonly freedBytes: number }> {
    return this.#locks.hold([CONTENT], signal, async () => {
      const removed: Removed[] = [];
      let freedBytes = 0;
      for (const { id } of this.all().filter(isWanted)) {
        const image = this.#store.records.get('image', id);
        const isUsed =
          usersOf(this.#store, id, this.#awaited.has(id)).length > 0 ||
          this.all().some(({ parent }) => parent === id);
        if (!image || isUsed) continue;
        const before = this.all();
        removed.push(...(await this.#removeHeld(id, true, true, signal)));
        freedBytes += bytesOfLayers(before) - bytesOfLayers(this.all());
      }
      await this.#archives.trim();
      return { removed, freedBytes };
    });
  }

  /** Tells that an image went into an archive, under these names as people type them. */
  saved(image: ImageRecord, tags: readonly string[]): void {
    for (const name of tags.length > 0 ? tags : [image.id]) imageEvent(this.#events, image, 'save', name);
  }

  /** Removes content that no image or container uses any more. */
  async collect(signal: AbortSignal): Promise<void> {
    const used = {
      blob: (digest: string) => usedBlobs(this.#store).has(digest),
      layer: (layer: readonly string[]) => usesLayer(this.#store, layer),
    };
    await this.#archives.collect(used, signal);
  }

  /** The record goes first, with a note that its content is to go; what a crash leaves of that, replay collects. */
  async #drop(image: ImageRecord, signal: AbortSignal): Promise<void> {
    const content = contentEffect();
    await this.#store.put('image.remove', { remove: [{ kind: 'image', id: image.id }] }, [
      { ...content, owner: CONTENT },
    ]);
    await this.#collectOf(CONTENT, content.key, signal);
  }

  async #collectOf(object: `image/${string}`, key: string, signal: AbortSignal): Promise<void> {
    const op = this.#store.resume('image.collect', object);
    await op.release(key, signal);
    await op.commit({});
  }
}

/** Whether images or containers stand on a snapshot driver's layer. */
export function usesLayer(store: Store, layer: readonly string[]): boolean {
  const containers = store.records.all('container');
  const mounted = containers.flatMap(({ mounts }) => mounts.flatMap(({ image }) => image ?? []));
  const owners = [...store.records.all('image'), ...containers, ...mounted];
  return owners.some(({ layers }) => isLayerOf(layers, layer));
}

/** Digests of the blobs that images consist of. */
export function usedBlobs(store: Store): ReadonlySet<string> {
  return new Set(store.records.all('image').flatMap(({ id, manifest, blobs }) => [id, manifest, ...blobs]));
}

function contentEffect() {
  return effect('unpacked-image', crypto.randomUUID(), { digests: [] });
}

function absent(name: string): HostError {
  return new HostError('NotFound', 'IMAGE_NOT_FOUND', `No such image: ${name}`);
}

function toPut(record: ImageRecord): Put {
  return { kind: 'image', id: record.id, record };
}

function isName(reference: string): boolean {
  return !reference.startsWith('sha256:');
}

/** Whether `image` is meant by a name with a digest. */
function hasDigest({ digests = [] }: ImageRecord, { domain, path, digest }: ImageName): boolean {
  return digests.includes(`${repositoryOf({ domain, path })}@${digest}`);
}
