/** The records of each kind, in memory, as of the last durable commit. Readers ask here and never wait. */
import type { RecordKind, RecordTypes } from './record-types.ts';

export class Records {
  readonly #kinds = new Map<RecordKind, Map<string, unknown>>();
  readonly #watchers = new Set<(kind: RecordKind, id: string, record: unknown) => void>();

  get<K extends RecordKind>(kind: K, id: string): RecordTypes[K] | undefined {
    return this.#kinds.get(kind)?.get(id) as RecordTypes[K] | undefined;
  }

  all<K extends RecordKind>(kind: K): readonly RecordTypes[K][] {
    return [...((this.#kinds.get(kind) as Map<string, RecordTypes[K]> | undefined)?.values() ?? [])];
  }

  ids(kind: RecordKind): readonly string[] {
    return [...(this.#kinds.get(kind)?.keys() ?? [])];
  }

  count(kind: RecordKind): number {
    return this.#kinds.get(kind)?.size ?? 0;
  }

  /** Tells of every later change, with `undefined` for a removal; answers the way to stop. */
  watch(tell: (kind: RecordKind, id: string, record: unknown) => void): () => void {
    this.#watchers.add(tell);
    return () => this.#watchers.delete(tell);
  }

  /** The store's alone: memory follows the disk, never the other way. */
  apply(kind: RecordKind, id: string, record: unknown): void {
    let ofKind = this.#kinds.get(kind);
    if (!ofKind) {
      ofKind = new Map();
      this.#kinds.set(kind, ofKind);
    }
    if (record === undefined) ofKind.delete(id);
    else ofKind.set(id, record);
    for (const tell of this.#watchers) tell(kind, id, record);
  }
}
