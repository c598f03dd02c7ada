/** Images: what names mean, and how archives become images. Blobs and layers are core/images' and the snapshot driver's. */
import type { Readable } from 'node:stream';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { imageEvent } from '../events/emit.ts';
import type { EventLog } from '../events/event-log.ts';
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

/** Reads archives; leaves blobs and layers that nobody refers to until the image is on the books. */
export interface ImageArchives {
  load(
    archive: Readable,
    onProgress: (text: string) => void,
    signal: AbortSignal,
  ): Promise<readonly UnpackedImage[]>;
  import(
    archive: Readable,
    options: { changes: readonly string[]; message: string },
    signal: AbortSignal,
  ): Promise<UnpackedImage>;
  /** Removes blobs and layers that no image of `kept` uses. */
  collect(kept: readonly ImageRecord[], signal: AbortSignal): Promise<void>;
}

/** All images share their content, so whoever adds to it or takes away does so alone. */
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

  /** Takes in every image of a `docker save` or OCI archive; `onProgress` gets lines for a person. */
  async load(archive: Readable, onProgress: (text: string) => void, signal: AbortSignal): Promise<void> {
    const unpacked = contentEffect();
    await this.#locks.hold([CONTENT], signal, async () => {
      await using op = await this.#store.begin('image.load', CONTENT, { makes: [unpacked] });
      op.made(unpacked);
      const images = await this.#archives.load(archive, onProgress, signal);
      await op.commit({ put: this.#puts(images) }, { keep: false });
      for (const { record, names } of images) {
        if (names.length === 0) onProgress(`Loaded image ID: ${record.id}\n`);
        for (const name of names) onProgress(`Loaded image: ${familiarName(normalizeName(name))}\n`);
        for (const name of names.length > 0 ? names : [record.id]) {
          const shown = name === record.id ? name : familiarName(normalizeName(name));
          imageEvent(this.#events, record, 'load', shown);
        }
      }
    });
  }

  /** A root file system as an image of one layer; answers its id. */
  async import(
    archive: Readable,
    options: { changes: readonly string[]; message: string; name: string },
    signal: AbortSignal,
  ): Promise<string> {
    if (options.name !== '') normalizeName(options.name);
    const unpacked = contentEffect();
    return this.#locks.hold([CONTENT], signal, async () => {
      await using op = await this.#store.begin('image.import', CONTENT, { makes: [unpacked] });
      op.made(unpacked);
      const image = await this.#archives.import(archive, options, signal);
      const names = options.name === '' ? [] : [options.name];
      await op.commit({ put: this.#puts([{ ...image, names }]) }, { keep: false });
      imageEvent(this.#events, image.record, 'import');
      if (options.name !== '') imageEvent(this.#events, image.record, 'tag', familiarName(options.name));
      return image.record.id;
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

  /** Removes content that no image or container uses any more; the caller holds `image/content`. */
  async collect(signal: AbortSignal): Promise<void> {
    await this.#archives.collect(this.all(), signal);
  }

  /** The record goes first, with a note that its content is to go; what a crash leaves of that, replay collects. */
  async #drop(image: ImageRecord, signal: AbortSignal): Promise<void> {
    const content = contentEffect();
    await this.#store.put('image.remove', { remove: [{ kind: 'image', id: image.id }] }, [
      { ...content, owner: CONTENT },
    ]);
    const op = this.#store.resume('image.collect', CONTENT);
    await op.release(content.key, signal);
    await op.commit({});
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
  #puts(images: readonly UnpackedImage[]): readonly Put[] {
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
    return [...changed.values()].map(toPut);
  }
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
