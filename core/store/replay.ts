/**
 * Settles what a crash of the daemon, of a driver or of the machine has left between intent and result: what is wanted
 * is adopted, what is not is undone, and what a driver that is away must answer for waits until it returns.
 */

import { asHostError, isKind, messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { Logger } from '@gantry/plugin-sdk/extension-point.ts';
import type { Effect, EffectHandler, EffectKind, HeldEffect, ObjectName } from './effect.ts';
import type { LockKey, Locks } from './locks.ts';
import type { OpenOperation, Store } from './store.ts';

const CALL_TIMEOUT_MS = 20_000;

export class Replay {
  readonly #store: Store;
  readonly #locks: Locks;
  readonly #wanted: (effect: HeldEffect) => boolean;
  readonly #log: Logger;
  readonly #why = new Map<ObjectName, string>();

  /** `wanted`: whether a held effect's owner, as recorded now, still needs it. */
  constructor(store: Store, locks: Locks, wanted: (effect: HeldEffect) => boolean, log: Logger) {
    this.#store = store;
    this.#locks = locks;
    this.#wanted = wanted;
    this.#log = log;
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

  /** Drivers that left-over effects belong to: when one returns, there is work for it. */
  driversOfPending(): readonly string[] {
    const objects = new Set(this.pending());
    const made = this.#store.openOperations().flatMap(({ makes }) => makes);
    const effects = [...made, ...this.#store.allEffects().filter(({ owner }) => objects.has(owner))];
    return [...new Set(effects.flatMap(({ args }) => ('driver' in args ? [args.driver] : [])))];
  }

  /** Settles everything that can be; never throws. Objects are locked before this returns its first promise. */
  async settleAll(signal: AbortSignal): Promise<void> {
    await Promise.all(this.pending().map((object) => this.settle(object, signal).catch(() => {})));
  }

  /** Settles one object under its lock. Resolves true when nothing of it is left. */
  settle(object: ObjectName, signal: AbortSignal): Promise<boolean> {
    return this.#locks.hold([object as LockKey], signal, async () => {
      try {
        for (const open of this.#store.openOperations()) {
          if (open.object === object) await this.#settleOperation(open, signal);
        }
        await this.#settleEffects(object, signal);
        this.#why.delete(object);
        return true;
      } catch (error) {
        this.#why.set(object, messageChain(error));
        this.#log.warn({ object, error: messageChain(error) }, 'left over work waits');
        return false;
      }
    });
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

  async #settleOperation(open: OpenOperation, signal: AbortSignal): Promise<void> {
    this.#log.info({ operation: open.name, object: open.object }, 'settling cut-off operation');
    if (open.forward) return this.#finish(open, signal);
    for (const made of open.makes.toReversed()) await this.#undo(made, open.boot, signal);
    await this.#store.write(`replay ${open.name}`, {
      close: open.id,
      strike: open.makes.map((made) => made.key),
    });
  }

  async #finish(open: OpenOperation, signal: AbortSignal): Promise<void> {
    const hold: HeldEffect[] = [];
    for (const made of open.makes) {
      if ((await this.#handler(made.kind).probe(made.args, signal)) === 'absent') return this.#drop(open);
      hold.push({ ...made, owner: open.object });
    }
    for (const key of open.releases) {
      const held = this.#store.effect(key);
      try {
        if (held) await this.#undo(held, held.boot, signal);
      } catch (error) {
        if (isKind(error, 'Unavailable', 'DeadlineExceeded')) throw error;
        // The driver says no in so many words, and nobody was told yes: the object stays as it was.
        this.#log.warn({ operation: open.name, error: messageChain(error) }, 'operation taken back');
        return this.#drop(open);
      }
    }
    await this.#store.write(`replay ${open.name}`, {
      close: open.id,
      hold,
      strike: open.releases,
      ...(open.forward && { changes: open.forward }),
    });
  }

  async #drop(open: OpenOperation): Promise<void> {
    await this.#store.write(`replay ${open.name}`, { close: open.id });
  }

  async #settleEffects(object: ObjectName, signal: AbortSignal): Promise<void> {
    const unwanted = this.#store.effectsOf(object).filter((held) => this.isLeftOver(held));
    if (unwanted.length === 0) return;
    const gone: string[] = [];
    const unsynced: HeldEffect[] = [];
    const failures: unknown[] = [];
    for (const held of unwanted.toReversed()) {
      try {
        if ((await this.#undo(held, held.boot, signal)) === 'unsynced') unsynced.push(held);
        gone.push(held.key);
      } catch (error) {
        failures.push(error);
      }
    }
    if (gone.length > 0) await this.#store.write(`settle ${object}`, { strike: gone, unsynced });
    if (failures.length > 0) throw asHostError(failures[0]);
  }

  async #undo(
    effect: Effect,
    boot: string | undefined,
    signal: AbortSignal,
  ): Promise<undefined | 'unsynced'> {
    if (this.#isVoid(effect.kind, boot)) return undefined;
    this.#store.failpoints.pass(`before undo: ${effect.key}`);
    const state = await this.#handler(effect.kind).undo(effect.args, signal, effect.learned);
    this.#store.failpoints.pass(`after undo: ${effect.key}`);
    return state;
  }

  #isVoid(kind: EffectKind, boot: string | undefined): boolean {
    return boot !== undefined && boot !== this.#store.boot && this.#handler(kind).endsWithBoot;
  }

  #handler(kind: EffectKind): EffectHandler<EffectKind> {
    return this.#store.handlerOf(kind) as EffectHandler<EffectKind>;
  }
}
