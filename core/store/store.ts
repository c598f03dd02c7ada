/**
 * The store and the ledger in one: records, and operations that make or undo effects. An operation is one durable
 * intent, the work, and one durable result; of a declared one the intent is the result (docs/adr/0005). Whatever is cut
 * off is settled by `replay.ts`.
 */
import type { Database } from './database.ts';
import type { Effect, EffectHandlers, HeldEffect, ObjectName } from './effect.ts';
import type { Failpoints } from './failpoints.ts';
import { Operation, type OperationPlan } from './operation.ts';
import type { RecordKind, RecordTypes } from './record-types.ts';
import { Records } from './records.ts';
import { UndoneEffects } from './undone-effects.ts';

/** The records that an operation leaves behind. */
export interface Changes {
  readonly put?: readonly Put[];
  readonly remove?: readonly { readonly kind: RecordKind; readonly id: string }[];
}

export type Put = {
  [K in RecordKind]: { readonly kind: K; readonly id: string; readonly record: RecordTypes[K] };
}[RecordKind];

/** An operation that a crash cut off, as found at start. */
export interface OpenOperation {
  readonly id: number;
  readonly name: string;
  readonly object: ObjectName;
  readonly makes: readonly Effect[];
  readonly releases: readonly string[];
  readonly forward: Changes | undefined;
  readonly declared: boolean;
  /** Of a declared one that was found at start: the records as they were before it. */
  readonly back: Changes | undefined;
  /** Boot in which it began. */
  readonly boot: string;
  /** Of a daemon before this one: whoever asked for it has no answer, or an acknowledgement. */
  readonly cutOff: boolean;
}

interface OperationBody {
  readonly boot: string;
  readonly makes: readonly Effect[];
  readonly releases: readonly string[];
  readonly forward?: Changes;
  readonly declared?: boolean;
}

/** One transaction: the rows of operations and effects to write or strike, and the records to change. */
export interface Write {
  readonly open?: { id: number; plan: OperationPlan };
  readonly close?: number | undefined;
  readonly hold?: readonly HeldEffect[];
  readonly strike?: readonly string[];
  /** Of what is struck: what stays on the books until the file system's metadata is written out. */
  readonly unsynced?: readonly HeldEffect[];
  readonly changes?: Changes;
}

const LATER_MS = 50;
/** How many results may be in memory alone. */
const MANY_LATER = 32;

export interface StoreOptions {
  readonly failpoints: Failpoints;
  readonly boot: string;
  /** Writes out the metadata of the file system that the data root is on. */
  readonly syncMetadata: () => Promise<void>;
  /** How long a result that replay would reach by itself may be in memory alone, in milliseconds. */
  readonly laterMs?: number;
}

export class Store {
  readonly records = new Records();
  readonly failpoints: Failpoints;
  readonly boot: string;
  onUnsettled: (object: ObjectName, reason: string) => void = () => {};
  readonly #db: Database;
  readonly #handlers: EffectHandlers;
  readonly #held = new Map<string, HeldEffect>();
  readonly #open = new Map<number, OpenOperation>();
  readonly #undone: UndoneEffects;
  readonly #statements;
  /** Results that memory has and the disk gets later, oldest first. */
  readonly #later: Write[] = [];
  readonly #laterMs: number;
  #laterTimer: NodeJS.Timeout | undefined;
  #lastOperation = 0;

  constructor(db: Database, handlers: EffectHandlers, options: StoreOptions) {
    this.#db = db;
    this.#handlers = handlers;
    this.failpoints = options.failpoints;
    this.boot = options.boot;
    this.#laterMs = options.laterMs ?? LATER_MS;
    this.#undone = new UndoneEffects(options.syncMetadata, (held) => this.#strikeUndone(held));
    this.#statements = {
      putRecord: db.prepare('INSERT OR REPLACE INTO records VALUES (?, ?, ?)'),
      removeRecord: db.prepare('DELETE FROM records WHERE kind = ? AND id = ?'),
      open: db.prepare('INSERT INTO operations VALUES (?, ?, ?, ?)'),
      close: db.prepare('DELETE FROM operations WHERE id = ?'),
      hold: db.prepare('INSERT OR REPLACE INTO effects VALUES (?, ?, ?, ?, ?)'),
      strike: db.prepare('DELETE FROM effects WHERE key = ?'),
    };
    this.#load();
  }

  /**
   * Opens an operation on `object`: durable on return. Dispose of it without `commit` and what it made is undone in
   * reverse order; a crash has the same result, at the next start.
   */
  async begin(
    name: string,
    object: ObjectName,
    plan: Omit<OperationPlan, 'name' | 'object'>,
  ): Promise<Operation> {
    const makes = plan.makes ?? [];
    // An effect of the same key whose undoing waits would strike the one declared.
    if (plan.declared) for (const { key } of makes) await this.undoneForGood(key);
    const id = ++this.#lastOperation;
    const whole: OperationPlan = { ...plan, name, object };
    const alone = plan.declared && this.#later.length < MANY_LATER && !this.#undoesLater(makes);
    await this.#write(`begin ${name}`, { open: { id, plan: whole } }, alone ? [] : this.#later.splice(0));
    return new Operation(this, this.#handlers, id, whole);
  }

  /** Then replay, not knowing that the undoing has ended, would undo what is made anew. */
  #undoesLater(makes: readonly Effect[]): boolean {
    return this.#later.some(({ strike = [] }) => makes.some(({ key }) => strike.includes(key)));
  }

  /**
   * An operation whose intent is on the books already, as when a container's process has ended: after a crash the fact is
   * found again and the same operation with it, so nothing is written beforehand. It may only release.
   */
  resume(name: string, object: ObjectName): Operation {
    return new Operation(this, this.#handlers, undefined, { name, object });
  }

  /** A change of records that makes nothing outside the store; `hold` names effects found there already. */
  async put(name: string, changes: Changes, hold: readonly HeldEffect[] = []): Promise<void> {
    await this.write(name, { changes, hold });
  }

  /** Tells whoever settles left-overs that `object` has some. */
  unsettled(object: ObjectName, reason: string): void {
    this.onUnsettled(object, reason);
  }

  /** The effect as it is held once made, in this boot, by an operation on `object`. */
  heldBy(object: ObjectName, made: Effect): HeldEffect {
    const { endsWithBoot } = this.handlerOf(made.kind);
    return { ...made, owner: made.owner ?? object, ...(endsWithBoot && { boot: this.boot }) };
  }

  effectsOf(owner: ObjectName): readonly HeldEffect[] {
    return [...this.#held.values()].filter((held) => held.owner === owner);
  }

  effect(key: string): HeldEffect | undefined {
    return this.#held.get(key);
  }

  allEffects(): readonly HeldEffect[] {
    return [...this.#held.values()];
  }

  /** Whether a held effect is undone already, and waits for the file system to be written out. */
  isUndone(held: HeldEffect): boolean {
    return this.#undone.has(held);
  }

  /** Resolves when what is to be made anew can no longer come back by itself, as it was before its undoing. */
  async undoneForGood(key: string): Promise<void> {
    const held = this.#held.get(key);
    if (held && this.#undone.has(held)) await this.#undone.settle();
  }

  openOperations(): readonly OpenOperation[] {
    return [...this.#open.values()];
  }

  handlerOf(kind: Effect['kind']): EffectHandlers[Effect['kind']] {
    return this.#handlers[kind];
  }

  /** One durable transaction; memory, and whoever watches it, learns of it only once it lasts. */
  async write(name: string, write: Write): Promise<void> {
    await this.#write(name, this.#keepingUnsynced(write), this.#later.splice(0));
    this.#undone.add(write.unsynced ?? []);
  }

  /**
   * The end of a declared operation, whose intent lies on the disk. Replay would bring it to the very same end, so memory
   * learns of it at once, and the disk together with others or before any write that could build on it.
   */
  finish(name: string, result: Write): void {
    this.failpoints.pass(`before write: ${name}`);
    const whole = this.#keepingUnsynced(result);
    this.#apply(whole);
    this.#undone.add(result.unsynced ?? []);
    this.#writeLater(whole);
  }

  #writeLater(result: Write): void {
    this.#later.push(result);
    this.#laterTimer ??= setTimeout(() => void this.#writeWaiting().catch(() => {}), this.#laterMs).unref();
  }

  /** What a power cut could bring back is not struck yet. */
  #keepingUnsynced(write: Write): Write {
    const unsynced = write.unsynced ?? [];
    if (unsynced.length === 0) return write;
    const late = new Set(unsynced.map((held) => held.key));
    const strike = write.strike?.filter((key) => !late.has(key)) ?? [];
    const hold = unsynced.filter((held) => this.#held.get(held.key) !== held);
    return { ...write, strike, hold: [...(write.hold ?? []), ...hold] };
  }

  /** With the results `earlier`, which wait again when it fails. */
  async #write(name: string, write: Write, earlier: readonly Write[]): Promise<void> {
    try {
      this.failpoints.pass(`before write: ${name}`);
      await this.#db.commit(
        () => {
          for (const result of earlier) this.#persist(result);
          this.#persist(write);
        },
        () => this.failpoints.pass(`before sync: ${name}`),
      );
    } catch (error) {
      this.#later.unshift(...earlier);
      throw error;
    }
    this.#apply(write);
    this.failpoints.pass(`after write: ${name}`);
  }

  async #writeWaiting(): Promise<void> {
    clearTimeout(this.#laterTimer);
    this.#laterTimer = undefined;
    if (this.#later.length > 0) await this.#write('results', {}, this.#later.splice(0));
  }

  async close(): Promise<void> {
    await this.#undone.settle();
    await this.#writeWaiting();
    await this.#db.close();
  }

  /** Unless the same key is held anew meanwhile, by an object of the same name. */
  async #strikeUndone(undone: readonly HeldEffect[]): Promise<void> {
    const gone = undone.filter((held) => this.#held.get(held.key) === held).map((held) => held.key);
    if (gone.length > 0) await this.write('strike undone', { strike: gone });
  }

  #persist({ open, close, hold, strike, changes }: Write): void {
    const sql = this.#statements;
    if (open) {
      const { name, object, makes = [], releases = [], forward, declared } = open.plan;
      const body: OperationBody = {
        boot: this.boot,
        makes,
        releases,
        ...(forward && { forward }),
        ...(declared && { declared }),
      };
      sql.open.run(open.id, name, object, JSON.stringify(body));
    }
    for (const effect of hold ?? []) {
      const { key, owner, boot, ...body } = effect;
      sql.hold.run(key, owner, null, boot ?? null, JSON.stringify(body));
    }
    for (const key of strike ?? []) sql.strike.run(key);
    for (const { kind, id, record } of changes?.put ?? [])
      sql.putRecord.run(kind, id, JSON.stringify(record));
    for (const { kind, id } of changes?.remove ?? []) sql.removeRecord.run(kind, id);
    if (close !== undefined) sql.close.run(close);
  }

  #apply({ open, close, hold, strike, changes }: Write): void {
    if (open)
      this.#open.set(
        open.id,
        toOpen(open.id, open.plan.name, open.plan.object, { ...open.plan, boot: this.boot }, false),
      );
    for (const effect of hold ?? []) this.#held.set(effect.key, effect);
    for (const key of strike ?? []) this.#held.delete(key);
    for (const { kind, id, record } of changes?.put ?? []) this.records.apply(kind, id, record);
    for (const { kind, id } of changes?.remove ?? []) this.records.apply(kind, id, undefined);
    if (close !== undefined) this.#open.delete(close);
  }

  #load(): void {
    for (const row of this.#db.prepare('SELECT kind, id, body FROM records').all()) {
      this.records.apply(row.kind as RecordKind, String(row.id), JSON.parse(String(row.body)));
    }
    for (const row of this.#db.prepare('SELECT key, owner, boot, body FROM effects').all()) {
      const body = JSON.parse(String(row.body)) as Omit<Effect, 'key'>;
      const key = String(row.key);
      const boot = row.boot === null ? {} : { boot: String(row.boot) };
      this.#held.set(key, { ...body, key, owner: row.owner as ObjectName, ...boot });
    }
    const open = this.#db
      .prepare('SELECT id, name, object, body FROM operations ORDER BY id')
      .all()
      .map(fromRow);
    const newest = new Map(open.map(({ object, id }) => [object, id]));
    for (const operation of open) this.#takeUp(operation, newest.get(operation.object) !== operation.id);
    this.#lastOperation = open.at(-1)?.id ?? 0;
  }

  /**
   * An operation found open. Readers are shown what it declared; `superseded`, by a later one on the same object, it had
   * ended, since that one began.
   */
  #takeUp(operation: OpenOperation, superseded: boolean): void {
    const { id, object, makes, releases, forward = {}, declared } = operation;
    const back = declared ? this.#asTheyAre(forward) : undefined;
    const hold = makes.map((made) => this.heldBy(object, made));
    if (declared) this.#apply({ hold, changes: forward });
    if (declared && superseded && releases.length === 0)
      this.#writeLater({ close: id, hold, changes: forward });
    else this.#open.set(id, { ...operation, back });
  }

  /** What undoes `changes`: the records that they replace, as memory has them. */
  #asTheyAre({ put = [], remove = [] }: Changes): Changes {
    const names = [...put, ...remove];
    return {
      put: names.flatMap(({ kind, id }) => {
        const record = this.records.get(kind, id);
        return record ? [{ kind, id, record } as Put] : [];
      }),
      remove: names
        .filter(({ kind, id }) => !this.records.get(kind, id))
        .map(({ kind, id }) => ({ kind, id })),
    };
  }
}

function fromRow(row: Readonly<Record<string, unknown>>): OpenOperation {
  const body = JSON.parse(String(row.body)) as OperationBody;
  return toOpen(Number(row.id), String(row.name), row.object as ObjectName, body, true);
}

function toOpen(
  id: number,
  name: string,
  object: ObjectName,
  body: Partial<OperationBody>,
  cutOff: boolean,
): OpenOperation {
  const { makes = [], releases = [], forward, declared = false, boot = '' } = body;
  return { id, name, object, makes, releases, forward, declared, back: undefined, boot, cutOff };
}
