/** Images: what names mean, and how archives become images. Blobs and layers are core/images' and the snapshot driver's. */
import type { Readable } from 'node:stream';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { imageEvent } from '../events/emit.ts';
import type { EventLog } from '../events/event-log.ts';
import { isLayerOf } from '../images/layer-use.ts';
import type { ContentLease } from '../images/lease.ts';
import { effect } from '../store/effect.ts';
import type { Locks } from '../store/locks.ts';
import type { ImageRecord } from '../store/record-types.ts';
import type { Put, Store } from '../store/store.ts';
import { familiarName, normalizeName } from './image-name.ts';

/** An image as an archive gave it, with its blobs and layers in place. */
export interface UnpackedImage {
  readonly record: Omit<ImageRecord, 'names' | 'loadedAt'>;
  /** As the archive names it: `busybox:latest`. */
  readonly names: readonly string[];
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
  load(archive: Readable, lease: ContentLease, signal: AbortSignal): Promise<readonly UnpackedImage[]>;
  import(
    archive: Readable,
    options: { changes: readonly string[]; message: string },
    lease: ContentLease,
    signal: AbortSignal,
  ): Promise<UnpackedImage>;
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
    const named = isName(reference)
      ? all.find(({ names }) => names.includes(normalizeName(reference)))
      : undefined;
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

  /** Takes in every image of a `docker save` or OCI archive; `onProgress` gets lines for a person. */
  async load(archive: Readable, onProgress: (text: string) => void, signal: AbortSignal): Promise<void> {
    const images = await this.takeIn('image.load', signal, (lease) =>
      this.#archives.load(archive, lease, signal),
    );
    for (const { record, names } of images) {
      const shown = names.map((name) => familiarName(normalizeName(name)));
      if (shown.length === 0) onProgress(`Loaded image ID: ${record.id}\n`);
      for (const name of shown) onProgress(`Loaded image: ${name}\n`);
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
        const puts = this.#puts(images);
        const replaces = puts.some((record) => this.#losesContent(record));
        await op.commit({ put: puts.map(toPut) }, { keep: replaces });
        return replaces;
      });
      if (replaces) await this.#collectOf(object, unpacked.key, signal);
      return images;
    });
  }

  /** Takes a name away, and the image with its last one. Answers what happened, in Docker's order. */
  async remove(reference: string, force: boolean, signal: AbortSignal): Promise<readonly object[]> {
    return this.#locks.hold([CONTENT], signal, async () => {
      const image = this.require(reference);
      const name = isName(reference) && !image.id.includes(reference) ? normalizeName(reference) : undefined;
      const rest = name === undefined ? [] : image.names.filter((other) => other !== name);
      if (name === undefined && image.names.length > 1 && !force) throw severalNames(image, reference);
      const gone = name === undefined ? image.names : [name];
      const untagged = gone.map((one) => ({ Untagged: familiarName(one) }));
      if (rest.length > 0) {
        await this.#store.put('image.untag', { put: [toPut({ ...image, names: rest })] });
        imageEvent(this.#events, image, 'untag');
        return untagged;
      }
      this.#refuseInUse(image, reference);
      this.#going.add(image.id);
      await this.#drop(image, signal).finally(() => this.#going.delete(image.id));
      for (const _ of gone) imageEvent(this.#events, image, 'untag');
      imageEvent(this.#events, image, 'delete');
      return [...untagged, { Deleted: image.id }];
    });
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

  /** Whether the record's present content differs: what only that used is to go. */
  #losesContent({ id, manifest, blobs }: ImageRecord): boolean {
    const now = this.#store.records.get('image', id);
    return (
      now !== undefined && [now.manifest, ...now.blobs].some((one) => ![manifest, ...blobs].includes(one))
    );
  }

  #refuseInUse(image: ImageRecord, reference: string): void {
    const user = this.#store.records
      .all('container')
      .find(
        ({ imageId, mounts }) => imageId === image.id || mounts.some((mount) => mount.image?.id === image.id),
      );
    if (!user && !this.#awaited.has(image.id)) return;
    const what = user ? `container ${user.id.slice(0, 12)}` : 'a container that is being created';
    throw new HostError(
      'Conflict',
      'IMAGE_IN_USE',
      `conflict: unable to remove repository reference "${reference}" - ${what} is using its referenced image ${image.id.slice(7, 19)}`,
      { details: { containers: user ? [user.id] : [] } },
    );
  }

  /** New images, and the older ones whose names they take. */
  #puts(images: readonly UnpackedImage[]): readonly ImageRecord[] {
    const changed = new Map<string, ImageRecord>();
    const current = (id: string) => changed.get(id) ?? this.#store.records.get('image', id);
    for (const { record, names } of images) {
      const taken = names.map(normalizeName);
      for (const other of [...this.all(), ...changed.values()]) {
        const now = current(other.id) ?? other;
        if (other.id === record.id || !now.names.some((name) => taken.includes(name))) continue;
        changed.set(other.id, { ...now, names: now.names.filter((name) => !taken.includes(name)) });
      }
      const all = [...new Set([...(current(record.id)?.names ?? []), ...taken])];
      changed.set(record.id, { ...record, names: all, loadedAt: new Date().toISOString() });
    }
    return [...changed.values()];
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

function severalNames(image: ImageRecord, reference: string): HostError {
  return new HostError(
    'Conflict',
    'IMAGE_HAS_SEVERAL_NAMES',
    `conflict: unable to delete ${reference} (must be forced) - image is referenced in multiple repositories`,
    { details: { names: image.names } },
  );
}
