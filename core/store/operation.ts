/**
 * One change that somebody asked for. Between `begin` and `commit` it makes the effects that its intent named and
 * releases the ones it no longer wants; ended any other way it undoes, newest first, what it made.
 */
import { messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { Effect, EffectHandler, EffectHandlers, EffectKind, HeldEffect, ObjectName } from './effect.ts';
import { madeNothing } from './refusal.ts';
import type { Changes, Store, Write } from './store.ts';

export interface OperationPlan {
  readonly name: string;
  readonly object: ObjectName;
  /** Effects that this operation is about to make; a crash undoes them. */
  readonly makes?: readonly Effect[];
  /** Keys of held effects that it will undo. */
  readonly releases?: readonly string[];
  /**
   * The result, when it is known beforehand. Cut off, such an operation is finished instead of taken back: its releases
   * are completed (a removal, once begun, is finished), and what it was making is kept if it is there (a volume that a
   * driver may already hold is never removed by guess).
   */
  readonly forward?: Changes;
  /**
   * `forward` and what it makes are what readers find after a crash from the intent on, so its end needs no sync of its
   * own; until then, and when a driver refuses, they are as they were.
   */
  readonly declared?: boolean;
}

const UNDO_TIMEOUT_MS = 60_000;

export class Operation implements AsyncDisposable {
  readonly #store: Store;
  readonly #handlers: EffectHandlers;
  readonly #id: number | undefined;
  readonly #plan: OperationPlan;
  readonly #made: HeldEffect[] = [];
  readonly #released: string[] = [];
  readonly #unsynced: HeldEffect[] = [];
  #closed = false;

  constructor(store: Store, handlers: EffectHandlers, id: number | undefined, plan: OperationPlan) {
    this.#store = store;
    this.#handlers = handlers;
    this.#id = id;
    this.#plan = plan;
  }

  /** Makes one effect that the intent named, and answers what it taught. */
  async make<T = unknown>(effect: Effect, signal: AbortSignal): Promise<T> {
    const handler = this.#handler(effect.kind);
    const held = this.#store.heldBy(this.#plan.object, effect);
    await this.#store.undoneForGood(effect.key);
    // Counted as made before the call: a call that fails halfway may have left something.
    this.#made.push(held);
    this.#store.failpoints.pass(`before effect: ${effect.key}`);
    const learned = await handler.make(effect.args, signal).catch((error: unknown) => {
      if (madeNothing(error)) this.#made.splice(this.#made.indexOf(held), 1);
      throw error;
    });
    this.#store.failpoints.pass(`after effect: ${effect.key}`);
    if (learned !== undefined) this.#made[this.#made.length - 1] = { ...held, learned };
    return learned as T;
  }

  /** Notes as made an effect that the caller makes by itself in many steps. */
  made(effect: Effect): void {
    this.#store.failpoints.pass(`before effect: ${effect.key}`);
    this.#made.push({ ...effect, owner: effect.owner ?? this.#plan.object });
  }

  /** Undoes one held effect; it is struck from the ledger by `commit`, and stays on it when the undoing fails. */
  async release(key: string, signal: AbortSignal): Promise<void> {
    const held = this.#store.effect(key) ?? this.#made.find((made) => made.key === key);
    if (!held || this.#released.includes(key)) return;
    this.#store.failpoints.pass(`before release: ${key}`);
    const state = await this.#handler(held.kind).undo(held.args, signal, held.learned);
    this.#store.failpoints.pass(`after release: ${key}`);
    this.#undone(held, state);
  }

  /** Strikes a held effect with nothing undone: whoever made it says that it is not there. */
  forget(key: string): void {
    this.#released.push(key);
  }

  /**
   * The durable result: the records as they now are, the effects that stay, the ones that are gone. `keep: false` when
   * the records themselves say what was made, as images do.
   */
  async commit(changes: Changes, { keep = true }: { keep?: boolean } = {}): Promise<void> {
    this.#closed = true;
    const hold = keep ? this.#made.filter((made) => !this.#released.includes(made.key)) : [];
    await this.#store.write(`commit ${this.#plan.name}`, this.#result(hold, changes));
  }

  /** The end of a declared operation: as `commit` of what it declared. */
  finish(): void {
    this.#closed = true;
    this.#store.finish(`commit ${this.#plan.name}`, this.#result(this.#made, this.#plan.forward ?? {}));
  }

  /** Ends the operation with nothing changed: the driver has said in so many words that it did nothing. */
  async abandon(): Promise<void> {
    this.#closed = true;
    await this.#store.write(`abandon ${this.#plan.name}`, this.#result([]));
  }

  /** Undoes what was made. What cannot be undone now stays on the books as held, for replay to try again. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#plan.forward) return this.#store.unsettled(this.#plan.object, 'its driver gave no answer');
    const left: HeldEffect[] = [];
    for (const made of this.#made.toReversed()) {
      if (this.#released.includes(made.key)) continue;
      try {
        this.#store.failpoints.pass(`before undo: ${made.key}`);
        const undo = this.#handler(made.kind).undo;
        this.#undone(made, await undo(made.args, AbortSignal.timeout(UNDO_TIMEOUT_MS), made.learned));
      } catch (error) {
        left.push(made);
        this.#store.unsettled(made.owner, messageChain(error));
      }
    }
    await this.#store.write(`abort ${this.#plan.name}`, this.#result(left));
  }

  #result(hold: readonly HeldEffect[], changes: Changes = {}): Write {
    return { close: this.#id, hold, strike: this.#released, unsynced: this.#unsynced, changes };
  }

  /** What a power cut could bring back stays on the books for now, as an effect that nobody wants. */
  #undone(held: HeldEffect, state: undefined | 'unsynced'): void {
    this.#released.push(held.key);
    if (state === 'unsynced') this.#unsynced.push(held);
  }

  #handler(kind: EffectKind): EffectHandler<EffectKind> {
    // Handlers are keyed by the kind of their arguments, which the compiler cannot follow through a union.
    return this.#handlers[kind] as EffectHandler<EffectKind>;
  }
}
