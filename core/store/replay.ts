/**
 * Settles what a crash of the daemon, of a driver or of the machine has left between intent and result: what is wanted
 * is adopted, what is not is undone, and what a driver that is away must answer for waits until it returns.
 */

import { asHostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { Logger } from '@gantry/plugin-sdk/extension-point.ts';
import type { Effect, EffectHandler, EffectKind, HeldEffect, ObjectName } from './effect.ts';
import type { LockKey, Locks } from './locks.ts';
import { isRefusal } from './refusal.ts';
import { type OnAppear, Retries } from './retries.ts';
import type { Changes, OpenOperation, Store } from './store.ts';

const CALL_TIMEOUT_MS = 20_000;

export interface ReplayParts {
  readonly store: Store;
  readonly locks: Locks;
  /** Whether a held effect's owner, as recorded now, still needs it. */
  readonly wanted: (effect: HeldEffect) => boolean;
  readonly onAppear: OnAppear;
  readonly log: Logger;
}

export class Replay {
  readonly #store: Store;
  readonly #locks: Locks;
  readonly #wanted: (effect: HeldEffect) => boolean;
  readonly #log: Logger;
  readonly #retries: Retries;
  readonly #why = new Map<ObjectName, string>();

  constructor({ store, locks, wanted, onAppear, log }: ReplayParts) {
    this.#store = store;
    this.#locks = locks;
    this.#wanted = wanted;
    this.#log = log;
    this.#retries = new Retries(onAppear, () => this.#settleWaiting());
    store.onUnsettled = (object, reason) => {
      this.#why.set(object, reason);
      void this.settle(object, AbortSignal.timeout(CALL_TIMEOUT_MS)).catch(() => {});
    };
  }

  /** Objects that still wait, each with the last reason. */
  waiting(): ReadonlyMap<ObjectName, string> {
    return this.#why;
  }

  /** Every object with something to settle: cut-off operations, unwanted effects, effects to be told again. */
  pending(): readonly ObjectName[] {
    const names = new Set(this.#store.openOperations().map((operation) => operation.object));
    for (const held of this.#store.allEffects()) if (this.isLeftOver(held)) names.add(held.owner);
    return [...names];
  }

  /** On the books, but of an earlier boot or not wanted by its owner as it is now. */
  isLeftOver(held: HeldEffect): boolean {
    return this.#isVoid(held.kind, held.boot) || !this.#wanted(held);
  }

  /** Settles everything that can be; never throws. Objects are locked before this returns its first promise. */
  async settleAll(signal: AbortSignal): Promise<void> {
    await Promise.all(this.pending().map((object) => this.settle(object, signal).catch(() => {})));
  }

  /** Settles one object under its lock. Resolves true when nothing of it is left; else it is tried again later. */
  settle(object: ObjectName, signal: AbortSignal): Promise<boolean> {
    return this.#locks.hold(this.#keysOf(object), signal, () => this.settleHeld(object, signal));
  }

  /** As `settle`, for a caller that holds the object's key. */
  async settleHeld(object: ObjectName, signal: AbortSignal): Promise<boolean> {
    try {
      for (const open of this.#operationsOf(object)) await this.#settleOperation(open, signal);
      await this.#settleEffects(object, signal);
      this.#why.delete(object);
      if (this.#why.size === 0) this.#retries.rest();
      return true;
    } catch (error) {
      this.#why.set(object, messageChain(error));
      this.#log.warn({ object, error: messageChain(error) }, 'left over work waits');
      this.#retries.wait(this.#driversOf(object), !isRefusal(error));
      return false;
    }
  }

  /** Brings back what a power cut took of effects that are wanted. Failures are logged, never fatal. */
  async restoreAll(signal: AbortSignal): Promise<void> {
    const wanted = this.#store
      .allEffects()
      .filter((held) => this.#wanted(held) && !this.#isVoid(held.kind, held.boot));
    await Promise.all(
      wanted.map(async (held) => {
        try {
          await this.#handler(held.kind).restore(held.args, signal, held.learned);
        } catch (error) {
          this.#log.warn({ effect: held.key, error: messageChain(error) }, 'effect not restored');
        }
      }),
    );
  }

  /** Nothing is tried again after this. */
  stop(): void {
    this.#retries.end();
  }

  async #settleWaiting(): Promise<void> {
    const signal = AbortSignal.timeout(CALL_TIMEOUT_MS);
    await Promise.all([...this.#why.keys()].map((object) => this.settle(object, signal).catch(() => {})));
  }

  #operationsOf(object: ObjectName): readonly OpenOperation[] {
    return this.#store.openOperations().filter((open) => open.object === object);
  }

  /** The object's own, and those of the volumes that go with it. */
  #keysOf(object: ObjectName): readonly LockKey[] {
    const released = this.#operationsOf(object).flatMap(({ releases }) => releases);
    const owners = released.map((key) => this.#store.effect(key)?.owner ?? object);
    return [object, ...owners] as LockKey[];
  }

  #driversOf(object: ObjectName): readonly string[] {
    const effects = [
      ...this.#operationsOf(object).flatMap(({ makes, releases }) => [
        ...makes,
        ...releases.map((key) => this.#store.effect(key)),
      ]),
      ...this.#store.effectsOf(object),
    ];
    return [...new Set(effects.flatMap((one) => (one && 'driver' in one.args ? [one.args.driver] : [])))];
  }

  async #settleOperation(open: OpenOperation, signal: AbortSignal): Promise<void> {
    this.#log.info({ operation: open.name, object: open.object }, 'settling cut-off operation');
    if (open.forward) return this.#finish(open, open.forward, signal);
    const makes = open.makes.map((made): HeldEffect => heldBy(open, made));
    const { struck, unsynced, refused, unanswered } = await this.#undoAll(makes.toReversed(), signal);
    await this.#store.write(`replay ${open.name}`, {
      close: open.id,
      hold: [...refused, ...unanswered],
      strike: struck,
      unsynced,
    });
    this.#tellWaiting(open, unanswered);
  }

  async #finish(open: OpenOperation, forward: Changes, signal: AbortSignal): Promise<void> {
    for (const made of open.makes) {
      if (!(await this.#isThere(made, open, signal))) return this.#takeBack(open);
    }
    const releases = open.releases.flatMap((key) => this.#store.effect(key) ?? []);
    const { struck, unsynced, refused, unanswered } = await this.#undoAll(releases, signal, open.object);
    await this.#store.write(`replay ${open.name}`, {
      close: open.id,
      hold: open.makes.map((made) => heldBy(open, made)),
      strike: struck,
      unsynced,
      changes: refused.length > 0 && open.back ? open.back : without(forward, refused),
    });
    this.#tellWaiting(open, unanswered);
  }

  /**
   * In the order given. What a driver gives no answer for stays on the books by itself; only `volume`'s own driver has
   * to answer, since its volume is removed or it is not: then this throws, and all is done again later.
   */
  async #undoAll(effects: readonly HeldEffect[], signal: AbortSignal, volume?: ObjectName) {
    const struck: string[] = [];
    const unsynced: HeldEffect[] = [];
    const refused: HeldEffect[] = [];
    const unanswered: HeldEffect[] = [];
    for (const held of effects) {
      try {
        if ((await this.#undo(held, signal)) === 'unsynced') unsynced.push(held);
        struck.push(held.key);
      } catch (error) {
        if (!isRefusal(error) && held.kind === 'volume' && held.owner === volume) throw error;
        this.#log.warn({ effect: held.key, error: messageChain(error) }, 'not undone');
        (isRefusal(error) ? refused : unanswered).push(held);
      }
    }
    return { struck, unsynced, refused, unanswered };
  }

  /** The operation's own object is looked at next in any case. */
  #tellWaiting(open: OpenOperation, unanswered: readonly HeldEffect[]): void {
    const others = unanswered.filter(({ owner }) => owner !== open.object);
    for (const { owner } of others) this.#store.unsettled(owner, 'its driver gave no answer');
  }

  /**
   * A declared operation that a crash cut off may have been acknowledged, so what its driver does not have (lost in the
   * same power cut, or never asked for) is made now. Where somebody was told of a failure it is not.
   */
  async #isThere({ kind, args }: Effect, open: OpenOperation, signal: AbortSignal): Promise<boolean> {
    const handler = this.#handler(kind);
    if ((await handler.probe(args, signal)) === 'present') return true;
    if (!(open.cutOff && open.declared)) return false;
    try {
      await handler.make(args, signal);
      return true;
    } catch (error) {
      if (isRefusal(error)) return false;
      throw error;
    }
  }

  async #takeBack({ id, name, makes, back }: OpenOperation): Promise<void> {
    const strike = back ? makes.map(({ key }) => key) : [];
    await this.#store.write(`replay ${name}`, { close: id, strike, changes: back ?? {} });
  }

  async #settleEffects(object: ObjectName, signal: AbortSignal): Promise<void> {
    const unwanted = this.#store
      .effectsOf(object)
      .filter((held) => this.isLeftOver(held) && !this.#store.isUndone(held));
    const gone: string[] = [];
    const unsynced: HeldEffect[] = [];
    const failures: unknown[] = [];
    for (const held of unwanted.toReversed()) {
      try {
        if ((await this.#undo(held, signal)) === 'unsynced') unsynced.push(held);
        gone.push(held.key);
      } catch (error) {
        failures.push(error);
      }
    }
    if (gone.length > 0) await this.#store.write(`settle ${object}`, { strike: gone, unsynced });
    if (failures.length > 0) throw asHostError(failures.find((error) => !isRefusal(error)) ?? failures[0]);
  }

  /** A driver that refuses to undo what it does not have either has done it already, before the crash. */
  async #undo(held: HeldEffect, signal: AbortSignal): Promise<undefined | 'unsynced'> {
    const { key, kind, args, learned } = held;
    if (this.#isVoid(kind, held.boot)) return undefined;
    const handler = this.#handler(kind);
    this.#store.failpoints.pass(`before undo: ${key}`);
    try {
      const state = await handler.undo(args, signal, learned);
      this.#store.failpoints.pass(`after undo: ${key}`);
      return state;
    } catch (error) {
      if (isRefusal(error) && (await handler.probe(args, signal)) === 'absent') return undefined;
      throw error;
    }
  }

  #isVoid(kind: EffectKind, boot: string | undefined): boolean {
    return boot !== undefined && boot !== this.#store.boot && this.#handler(kind).endsWithBoot;
  }

  #handler(kind: EffectKind): EffectHandler<EffectKind> {
    return this.#store.handlerOf(kind) as EffectHandler<EffectKind>;
  }
}

function heldBy(open: OpenOperation, made: Effect): HeldEffect {
  return { ...made, owner: made.owner ?? open.object, boot: open.boot };
}

/** A volume that its driver refuses to remove stays a volume; anything else that is refused waits on the books. */
function without(forward: Changes, refused: readonly HeldEffect[]): Changes {
  const stay = refused.filter(({ kind }) => kind === 'volume').map(({ owner }) => owner);
  const remove = forward.remove?.filter(({ kind, id }) => !stay.includes(`${kind}/${id}`)) ?? [];
  return { ...forward, remove };
}
