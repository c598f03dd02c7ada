/**
 * What one taking-in of images counts on until a record names it: its blobs and its layers are not collected meanwhile.
 * Dispose of it once the records are written; without `keep` before, the layers that it made go away again.
 */
import type { ContentStore } from './content.ts';
import type { LayerSession, LayerStore } from './layer-store.ts';

export class ContentLease implements AsyncDisposable {
  readonly content: ContentStore;
  readonly layers: LayerSession;
  readonly #blobs = new Set<string>();

  constructor(content: ContentStore, layers: LayerStore) {
    this.content = content;
    this.layers = layers.session();
  }

  /** Whether a blob is there is to be asked only after this. */
  async holdBlobs(digests: readonly string[]): Promise<void> {
    await Promise.all(
      digests.map(async (digest) => {
        if (this.#blobs.has(digest)) return;
        this.#blobs.add(digest);
        this.content.partials.hold(digest);
        await this.content.holds.hold(digest);
      }),
    );
  }

  keep(): void {
    this.layers.keep();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const digest of this.#blobs) {
      this.content.holds.release(digest);
      this.content.partials.release(digest);
    }
    this.#blobs.clear();
    await this.layers[Symbol.asyncDispose]();
  }
}
