/**
 * The embedded database: SQLite in WAL mode, one writer (the main thread), and durability by a shared fdatasync of the
 * WAL that all waiting writers join. Source of the technique and its proof: docs/adr/0001.
 */
import { closeSync, fdatasync as fdatasyncCallback, fdatasyncSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { giveBackMemory } from '@gantry/plugin-sdk/system/memory.ts';
import { syncDirectory } from '@gantry/plugin-sdk/system/sync.ts';
import { initial } from './migrations/001-initial.ts';
import { WalFile } from './wal-file.ts';

const MIGRATIONS = [initial];
/** In writes; the WAL's file has room for them. */
const CHECKPOINT_EVERY = 1500;

/**
 * A fast disk syncs in 0.05 to 0.2 ms, no more than the way to libuv's pool and back costs, so the loop does it itself.
 * While the last ones took longer than this on average, the pool does.
 */
const SLOW_SYNC_MS = 1;
const AVERAGED_SYNCS = 8;
const FEW_WAITERS = 2;

const fdatasync = promisify(fdatasyncCallback);

interface Entry {
  readonly write: () => void;
  readonly written: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Database {
  readonly #db: DatabaseSync;
  readonly #file: string;
  readonly #walFile: WalFile;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #unsafe: boolean;
  readonly #wal: number;
  /** Moving average of what a sync takes. */
  #syncMs = 0;
  #queue: Entry[] = [];
  #flushing: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;
  #checkpoint: Promise<void> | undefined;
  #sinceCheckpoint = 0;
  #failed: HostError | undefined;

  /** Opens or makes `<dir>/gantry.db` and brings it to the newest schema. `unsafe`: nothing lasts, for a test. */
  constructor(dir: string, { unsafe = false }: { unsafe?: boolean } = {}) {
    this.#unsafe = unsafe;
    mkdirSync(dir, { recursive: true, mode: 0o711 });
    this.#file = path.join(dir, 'gantry.db');
    this.#walFile = new WalFile(this.#file);
    this.#walFile.reuse();
    this.#db = new DatabaseSync(this.#file);
    this.#db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0');
    this.#begin = this.#db.prepare('BEGIN IMMEDIATE');
    this.#commit = this.#db.prepare('COMMIT');
    this.#migrate();
    this.#db.exec(`PRAGMA wal_checkpoint(${this.#walFile.isFull ? 'RESTART' : 'TRUNCATE'})`);
    // The -wal file is safe to open beside SQLite; another descriptor of the database itself would drop its locks.
    this.#wal = openSync(this.#walFile.path, 'r+');
    this.#syncing = this.#firstSync(dir).catch((error: unknown) => {
      throw this.#giveUp(error);
    });
    this.#syncing.catch(() => {}); // whoever writes first is told
  }

  /** For `commit` and for reading alone: a write besides may come before the WAL is ready for it. */
  prepare(sql: string): StatementSync {
    return this.#db.prepare(sql);
  }

  /**
   * All of `write`, or nothing: resolves when it survives a power cut. All that are asked for in one turn of the event
   * loop, or while a sync runs, share a transaction and a sync. `written` is told between the two.
   */
  commit(write: () => void, written: () => void = () => {}): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#queue.push({ write, written, resolve, reject });
    this.#flushing ??= this.#turn().then(() => this.#flush());
    return promise;
  }

  async #flush(): Promise<void> {
    this.#flushing = undefined;
    const entries = this.#writeAll(this.#queue.splice(0));
    for (const { written } of entries) written();
    this.#syncing = this.#unsafe ? Promise.resolve() : this.#sync(entries.length);
    try {
      await this.#syncing;
      for (const { resolve } of entries) resolve();
    } catch (error) {
      const failed = this.#giveUp(error);
      for (const { reject } of entries) reject(failed);
    }
  }

  /** Those that are now in the database. One that cannot be written must not take the others with it. */
  #writeAll(entries: readonly Entry[]): readonly Entry[] {
    try {
      this.#transaction(() => {
        for (const { write } of entries) write();
      });
      this.#sinceCheckpoint += entries.length;
      return entries;
    } catch (error) {
      if (entries.length > 1) return entries.flatMap((entry) => this.#writeAll([entry]));
      for (const { reject } of entries) reject(error);
      return [];
    }
  }

  #transaction(write: () => void): void {
    if (this.#failed) throw this.#failed;
    this.#begin.run();
    try {
      write();
      this.#commit.run();
    } catch (error) {
      // A disk that fails has SQLite roll back by itself.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#flushing;
    await this.#checkpoint;
    await this.#syncing?.catch(() => {});
    closeSync(this.#wal);
    this.#walFile.keepOver(() => this.#db.close());
  }

  /** What the kernel could not write it may have dropped: no later sync brings it back, so nothing more is written. */
  #giveUp(cause: unknown): HostError {
    this.#failed ??= new HostError('Unavailable', 'STORE_FAILED', `write ${this.#file}`, {
      cause,
      hint: 'look after the disk, then restart gantryd',
    });
    return this.#failed;
  }

  /** A sync under way may have begun before the caller's write, so that one has to end first. */
  async #turn(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    setImmediate(resolve);
    await Promise.all([promise, this.#syncing?.catch(() => {})]);
  }

  /** The zeros, and the name of the new file, lie far beyond what may hold up the loop. */
  async #firstSync(dir: string): Promise<void> {
    if (!this.#walFile.isFull) await this.#walFile.fill();
    await fdatasync(this.#wal);
    await syncDirectory(dir);
  }

  async #sync(waiters: number): Promise<void> {
    if (this.#sinceCheckpoint > CHECKPOINT_EVERY) this.#checkpoint ??= this.#runCheckpoint();
    const begun = performance.now();
    if (this.#syncMs > SLOW_SYNC_MS || waiters > FEW_WAITERS) await fdatasync(this.#wal);
    else fdatasyncSync(this.#wal);
    this.#syncMs += (performance.now() - begun - this.#syncMs) / AVERAGED_SYNCS;
  }

  /** In a worker with its own connection: a checkpoint on the main thread would stall the loop for up to 80 ms. */
  #runCheckpoint(): Promise<void> {
    this.#sinceCheckpoint = 0;
    const script = `
      const { DatabaseSync } = require('node:sqlite');
      const db = new DatabaseSync(require('node:worker_threads').workerData);
      db.exec('PRAGMA busy_timeout=1000; PRAGMA wal_checkpoint(PASSIVE)');
      db.close();`;
    const worker = new Worker(script, { eval: true, workerData: this.#file });
    const { promise, resolve } = Promise.withResolvers<void>();
    worker.once('error', () => resolve());
    worker.once('exit', () => resolve());
    return promise.then(() => {
      this.#checkpoint = undefined;
      giveBackMemory();
      // The few frames that came meanwhile: only a WAL written back to its last frame is begun anew.
      this.#db.exec('PRAGMA wal_checkpoint(PASSIVE)');
    });
  }

  #migrate(): void {
    const row = this.#db.prepare('PRAGMA user_version').get() as { user_version: number };
    if (row.user_version > MIGRATIONS.length) {
      throw new Error(
        `open ${this.#file}: written by a newer Gantry (schema ${row.user_version}, this one knows ${MIGRATIONS.length})`,
      );
    }
    for (const [index, sql] of MIGRATIONS.entries()) {
      if (index < row.user_version) continue;
      this.#transaction(() => {
        this.#db.exec(sql);
        this.#db.exec(`PRAGMA user_version=${index + 1}`);
      });
    }
  }
}
